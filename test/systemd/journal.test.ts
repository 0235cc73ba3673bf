// What `journalctl` shows of a service, under a real journald.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Lab, labAvailable, startLab } from '../support/lab/start-lab.mjs';
import { DIST } from '../support/service/batond.js';

const available = labAvailable();

/** Says what it is in every way that a program has; O_NONBLOCK (04000) must not surprise one that knows nothing of it. */
const worker = `
  const { readFileSync, writeSync } = require('node:fs');
  const [, n] = process.argv;
  const flags = parseInt(/flags:\\s+(\\d+)/.exec(readFileSync('/proc/self/fdinfo/1', 'utf8'))[1], 8);
  console.log('out ' + n + ((flags & 0o4000) === 0 ? ' blocks' : ' does not block'));
  console.error('err ' + n);
  writeSync(1, '<3>prefixed ' + n + '\\n');
  writeSync(2, 'unfinished ' + n);
  setInterval(() => {}, 60_000);
`;

/** One entry as `journalctl -o json` prints it. */
type Entry = Record<string, string>;

describe.skipIf(!available.ok)(`the journal${available.ok ? '' : ` (skipped: ${available.why})`}`, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab();
  });
  afterAll(() => lab?.down());

  /** Starts a module as the service `unit`; it finds the compiled project as DIST. */
  async function startService(unit: string, source: string, options: readonly string[] = []): Promise<void> {
    const folder = join(lab.share, unit);
    const script = join(folder, 'service.mjs');
    mkdirSync(folder);
    writeFileSync(script, source.replaceAll('DIST', DIST));
    await lab.exec(['systemd-run', `--unit=${unit}`, ...options, process.execPath, script]);
  }

  /**
   * The same, until journald has all that the module logs. It lives until then: journald learns the unit of an entry
   * from /proc/PID/cgroup of its writer, and a writer that is gone when it looks has none.
   */
  async function runService(unit: string, source: string): Promise<void> {
    const stay = `
      import { Notifier } from 'DIST/systemd/notify.js';
      Notifier.fromEnvironment(process.env).ready();
      setInterval(() => {}, 60_000);`;
    await startService(unit, source + stay, ['--property=Type=notify']);
    await lab.exec(['journalctl', '--sync']);
    await lab.exec(['systemctl', 'stop', unit]);
  }

  async function entries(...query: string[]): Promise<Entry[]> {
    const { stdout } = await lab.exec(['journalctl', '-o', 'json', '--all', ...query]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Entry);
  }

  const createLog = `
    import { createLog } from 'DIST/log.js';
    const log = createLog({ name: 'shop', level: 'info', env: process.env });`;

  test('finds the entries of a generation by their fields', async () => {
    await runService(
      'fields',
      `${createLog}
      log.info({ event: 'ready', generation: 7, slot: 1, durationMs: 12, pid: 4242 }, 'generation 7 serves');
      log.warn({ generation: 6 }, 'generation 6 drains');
      log.debug({ generation: 7 }, 'not at this level');
      log.level = 'debug';
      log.debug({ generation: 7, release: { label: 'v7' } }, 'two\\nlines');
      log.error({ generation: 7, err: Object.assign(new Error('why'), { code: 'EX' }) }, 'reload failed');`,
    );
    const found = await entries('-u', 'fields', 'BATOND_GENERATION=7');
    expect(found.map(({ MESSAGE, PRIORITY }) => [MESSAGE, PRIORITY])).toEqual([
      ['generation 7 serves', '6'],
      ['two\nlines', '7'],
      ['reload failed', '3'],
    ]);
    expect(found[0]).toMatchObject({
      _TRANSPORT: 'journal',
      _SYSTEMD_UNIT: 'fields.service',
      _COMM: 'node',
      SYSLOG_IDENTIFIER: 'shop',
      BATOND_EVENT: 'ready',
      BATOND_SLOT: '1',
      BATOND_PID: '4242',
      DURATION_MS: '12',
    });
    expect(found[1]).toMatchObject({ BATOND_RELEASE: '{"label":"v7"}' });
    expect(found[2]).toMatchObject({
      ERROR_MESSAGE: 'why',
      ERROR_CODE: 'EX',
      CODE_FILE: expect.stringMatching(/service\.mjs$/),
    });
    const warnings = await entries('-u', 'fields', '-p', 'warning', '_TRANSPORT=journal');
    expect(warnings.map(({ MESSAGE }) => MESSAGE)).toEqual(['generation 6 drains', 'reload failed']);
  });

  test('takes an entry of a megabyte', async () => {
    await runService('big', `${createLog} log.info({ event: 'big' }, 'x'.repeat(1_000_000));`);
    const [entry] = await entries('-u', 'big', 'BATOND_EVENT=big');
    expect(entry?.MESSAGE).toHaveLength(1_000_000);
  });

  test('goes on across a restart of journald', async () => {
    await runService(
      'restarts',
      `${createLog}
      import { execFileSync } from 'node:child_process';
      log.info('before');
      execFileSync('systemctl', ['restart', 'systemd-journald.service']);
      log.info('after');`,
    );
    const messages = (await entries('-u', 'restarts', 'SYSLOG_IDENTIFIER=shop')).map(({ MESSAGE }) => MESSAGE);
    expect(messages).toEqual(['before', 'after']);
  });

  test('shows stderr lines where the journal has no socket', async () => {
    await runService(
      'falls-back',
      `${createLog}
      import { renameSync } from 'node:fs';
      const socket = '/run/systemd/journal/socket';
      renameSync(socket, socket + '.away');
      log.warn({ generation: 3 }, 'to stderr');
      renameSync(socket + '.away', socket);`,
    );
    expect(await entries('-u', 'falls-back', '_TRANSPORT=stdout')).toMatchObject([
      { MESSAGE: 'to stderr BATOND_GENERATION=3', PRIORITY: '4' },
    ]);
  });

  test('has the lines of each worker under its own pid, as a service of root and of a user', async () => {
    for (const [unit, options] of [
      ['streams', []],
      ['streams-of-a-user', ['--property=User=nobody']],
    ] as const) {
      await startService(
        unit,
        `
        import { openSync } from 'node:fs';
        import { native } from 'DIST/native.js';
        import { openJournalStream } from 'DIST/systemd/journal-stream.js';
        const WORKER = ${JSON.stringify(worker)};
        const stdin = openSync('/dev/null', 'r');
        for (const n of ['1', '2']) {
          const out = openJournalStream({ identifier: 'shop', priority: 6 });
          const err = openJournalStream({ identifier: 'shop', priority: 4 });
          const { pid } = native().spawn({
            file: process.execPath, argv: ['node', '--eval', WORKER, n], env: [], cwd: '/',
            fds: [stdin, out, err], parent: 'self', newSession: true,
          });
          native().close(out);
          native().close(err);
          console.log('worker ' + n + ' is ' + pid);
        }
        setInterval(() => {}, 60_000);`,
        options,
      );
      // A writer that is gone when journald looks has no unit there: they live until their lines are read.
      const lines = () => entries('-u', unit, '_TRANSPORT=stdout', 'SYSLOG_IDENTIFIER=shop');
      await vi.waitFor(async () => expect(await lines()).toHaveLength(6), { timeout: 20_000 });
      await lab.exec(['systemctl', 'stop', unit]);
      await vi.waitFor(async () => expect(await lines()).toHaveLength(8), { timeout: 20_000 });

      const all = await lines();
      const { stdout: said } = await lab.exec(['journalctl', '-o', 'cat', '-u', unit, '--grep=^worker . is']);
      for (const [, n, pid] of said.matchAll(/^worker (.) is (\d+)$/gm)) {
        const own = all.filter(({ _PID }) => _PID === pid);
        expect(own.map(({ MESSAGE, PRIORITY }) => [MESSAGE, PRIORITY])).toEqual(
          expect.arrayContaining([
            [`out ${n} blocks`, '6'],
            [`err ${n}`, '4'],
            [`prefixed ${n}`, '3'],
            [`unfinished ${n}`, '4'],
          ]),
        );
        for (const line of own) expect(line).toMatchObject({ _SYSTEMD_UNIT: `${unit}.service`, _COMM: 'node' });
      }
      expect(said.trim().split('\n')).toHaveLength(2);
    }
  });
});
