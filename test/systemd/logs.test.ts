// `batond logs` under a real journald: what belongs to a generation, a worker or a release, whoever has said it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outputComplaint } from '../support/json/schemas.js';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();
const SAID = 'this release exits at once';

describe.skipIf(!available.ok)(`batond logs${available.ok ? '' : ` (skipped: ${available.why})`}`, () => {
  let service: InstalledService;
  beforeAll(async () => {
    service = await InstalledService.start({ workers: 1 });
    service.deploy('exits-at-once');
    await service.reload();
    await service.lab.exec(['journalctl', '--sync']);
  });
  afterAll(() => service?.[Symbol.asyncDispose]());

  const logs = async (...args: string[]) => (await service.batond('logs', ...args)).stdout;
  const entries = async (...args: string[]) =>
    (await logs('--json', ...args))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, string>);
  const messages = async (...args: string[]) => (await entries(...args)).map(({ MESSAGE }) => MESSAGE);

  test('shows what the supervisor and the workers of a generation said', async () => {
    // Lines of a worker are read from its stream when journald comes to it.
    const second = await eventually(
      () => messages('--generation', '2'),
      (said) => said.includes(SAID),
      { what: () => 'journald has its line' },
    );
    expect(second).toContainEqual(expect.stringMatching(/^worker g2s0 started with pid \d+$/));
    const first = await messages('--generation', '1');
    expect(first).toContainEqual(expect.stringMatching(/^worker g1s0 started/));
    expect(first).not.toContain(SAID);
    expect(await messages('--release', 'r2@2.0.0')).toEqual(second);
    const slot = [expect.stringMatching(/^worker g1s0 started/), expect.stringMatching(/^worker g2s0 started/), SAID];
    expect(await messages('--slot', '0')).toEqual(expect.arrayContaining(slot));
    const [{ BATOND_PID: pid } = {}] = await entries('--event', 'worker-started', '--generation', '2');
    expect(await messages('--worker', pid!)).toEqual(
      expect.arrayContaining([SAID, `worker g2s0 started with pid ${pid}`]),
    );
  });

  test('shows an event, with what it means, and as many as are asked for', async () => {
    const verdicts = await logs('--event', 'verdict', '--explain', '--lines', '1');
    expect(verdicts).toMatch(/reload failed: a worker of generation 2 exited with status 3/);
    expect(verdicts).toMatch(/Subject: A reload was rolled back/);
    expect(await messages('BATOND_CODE=CANDIDATE_EXITED', '-p', 'err')).toHaveLength(1);
    expect(outputComplaint('logs', await logs('--json'))).toBeNull();
  });

  test('says which command it runs, and what it cannot be asked', async () => {
    expect(await logs('--event', 'verdict', '--since', '-1 h', '--show-command')).toBe(
      "journalctl --unit=shop.service '--since=-1 h' BATOND_EVENT=verdict\n",
    );
    const refused = (...args: string[]) => service.batond('logs', ...args);
    await expect(refused('--release', 'r9')).rejects.toThrow('--release r9: no generation of it is known');
    await expect(refused('A=1', 'verdict')).rejects.toThrow('verdict: FIELD=value');
  });

  test('shows those of a service that has stopped', async () => {
    await service.lab.exec(['systemctl', 'stop', 'shop']);
    const second = await messages('--generation', '2');
    expect(second).toEqual(expect.arrayContaining([SAID, expect.stringMatching(/^worker g2s0 started/)]));
    expect(await messages('--release', 'r2@2.0.0')).toEqual(second);
  });
});
