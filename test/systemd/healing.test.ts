/** Under a real systemd: a service that is done, or wants a person, is not started again, and says why. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();

/** Lets the worker of the slot end with this status. */
async function end(service: InstalledService, slot: number, status: number): Promise<void> {
  const worker = (await service.status()).generations[0]?.workers.find((one) => one.slot === slot);
  writeFileSync(join(service.releases.current, 'end'), JSON.stringify({ status }));
  await service.lab.exec(['kill', '-USR2', String(worker?.pid)]);
}

async function untilDown(service: InstalledService): Promise<Record<string, string>> {
  await eventually(
    () => service.show('ActiveState'),
    (state) => state === 'inactive' || state === 'failed',
    { deadlineMs: 20_000, what: () => 'the unit is down' },
  );
  const properties = ['ActiveState', 'SubState', 'Result', 'ExecMainStatus', 'NRestarts', 'StatusText'];
  return Object.fromEntries(await Promise.all(properties.map(async (name) => [name, await service.show(name)])));
}

describe.skipIf(!available.ok)('a unit', () => {
  test('whose workers are done is inactive, and one whose worker wants a person has failed with the reason', async () => {
    await using service = await InstalledService.start({
      app: 'ends-as-told',
      workers: 2,
      args: ['--ready', 'load'],
      env: { SERVES: 'no' },
    });
    await end(service, 0, 0);
    await eventually(
      async () => (await service.status()).generations[0]?.slots,
      (slots) => slots?.[0]?.state === 'done',
      { what: () => 'slot 0 is done' },
    );
    expect(await service.show('ActiveState')).toBe('active');
    await end(service, 1, 0);
    expect(await untilDown(service)).toMatchObject({
      ActiveState: 'inactive',
      Result: 'success',
      ExecMainStatus: '79',
      NRestarts: '0',
      StatusText: 'Done: every worker of generation 1 has ended well.',
    });

    await service.lab.exec(['systemctl', 'start', 'shop']);
    await end(service, 0, 100);
    await end(service, 1, 201);
    const { StatusText, ...down } = await untilDown(service);
    expect(down).toEqual({
      ActiveState: 'failed',
      SubState: 'failed',
      Result: 'exit-code',
      ExecMainStatus: '78',
      NRestarts: '0',
    });
    expect(StatusText).toMatch(/^no worker of generation 2 is left, and none is started again: its worker 0 exited /);
    const journal = await service.journal('BATOND_EVENT=healing', '-o', 'json');
    const fields = journal
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(
      fields.map(({ RULE, BATOND_ACTION, BATOND_SLOT, BATOND_CODE }) => [
        RULE,
        BATOND_ACTION,
        BATOND_SLOT,
        BATOND_CODE,
      ]),
    ).toEqual([
      ['done', 'done', '0', '0'],
      ['done', 'done', '1', '0'],
      ['config-error', 'keep', '0', '100'],
      ['data-check-failed', 'keep', '1', '201'],
    ]);
  });
});
