/** What an app says, in the journal with its fields: by its own output (log.workers) and by batond/journald. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { ROOT } from '../support/service/batond.js';
import { InstalledService } from '../support/service/installed.js';
import { eventually } from '../support/service/wait.js';

const available = labAvailable();

type Entry = Readonly<Record<string, string>>;

describe.skipIf(!available.ok)(`the output of an app${available.ok ? '' : ` (${available.why})`}`, () => {
  let service: InstalledService;
  beforeAll(async () => {
    service = await InstalledService.start({
      app: 'logs-with-pino',
      workers: 1,
      args: ['--log-workers', 'json'],
      env: { BATOND: ROOT },
    });
  });
  afterAll(() => service?.[Symbol.asyncDispose]());

  const ask = (path: string) => fetch(`http://127.0.0.1:${service.port}${path}`).then((response) => response.text());

  /** The entries that match, when there are so many. */
  async function entries(count: number, ...query: string[]): Promise<Entry[]> {
    const read = async () =>
      (await service.journal('-o', 'json', '--all', ...query))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Entry);
    return eventually(read, (found) => found.length >= count, { what: () => `${count} entries of ${query.join(' ')}` });
  }

  test('is found by its keys, and by whose it is', async () => {
    await ask('/?user=1001');
    const { generations } = await service.status();
    const { pid } = generations[0]!.workers[0]!;
    const of = { BATOND_GENERATION: '1', BATOND_SLOT: '0', BATOND_PROCESS: 'main', BATOND_WORKER_PID: String(pid) };
    const found = await entries(3, 'USER_ID=1001');
    // What the app writes to the journal by itself may come first.
    const ours = found.filter(({ BATOND_WORKER_PID }) => BATOND_WORKER_PID !== undefined);
    expect(ours).toMatchObject([
      { ...of, MESSAGE: 'asked for a page', PRIORITY: '6', REQUEST_ID: 'r1001', SYSLOG_IDENTIFIER: 'shop' },
      { ...of, MESSAGE: 'failed', PRIORITY: '3', ERROR_MESSAGE: 'no such page', CODE_FILE: expect.any(String) },
    ]);
    // What journald knows of the worker by itself.
    expect(ours[0]).toMatchObject({ OBJECT_PID: String(pid), OBJECT_COMM: 'node' });
    const [words] = await entries(1, 'PRIORITY=4', `BATOND_WORKER_PID=${pid}`);
    expect(words).toMatchObject({ ...of, MESSAGE: 'words of their own' });
  });

  test('goes to the journal without us: with the name and the fields that it says', async () => {
    await ask('/?user=1002');
    const [direct] = await entries(1, 'CUSTOMER=1002');
    expect(direct).toMatchObject({
      MESSAGE: 'said directly',
      PRIORITY: '4',
      SYSLOG_IDENTIFIER: 'shop-app',
      REQUEST_ID: 'r1002',
      EVENT: 'audit',
      _SYSTEMD_UNIT: 'shop.service',
    });
    const [threaded] = await entries(1, 'SYSLOG_IDENTIFIER=shop-thread', 'USER_ID=1002');
    expect(threaded).toMatchObject({ MESSAGE: 'said in a thread', _PID: direct!._PID });
  });

  test('is part of what is kept of a crash, with the core dump that systemd-coredump has', async () => {
    const { generations } = await service.status();
    const { pid } = generations[0]!.workers[0]!;
    // The kernel calls it by kernel.core_pattern, which is one for the whole machine, so it is called by hand: as there
    // while the process is still to be seen, with the core on its standard input.
    const most = '18446744073709551615';
    const program = ['/lib/systemd/systemd-coredump', String(pid), '0', '0', '6', '1700000000', most, 'lab'];
    await service.lab.exec(['sh', '-c', `head -c 4096 /dev/zero | ${program.join(' ')}`]);
    await ask('/abort?user=7').catch(() => {});
    const crashes = async () =>
      JSON.parse((await service.batond('crashes', '--json')).stdout) as { id: string; pid: number; signal: string }[];
    const found = await eventually(crashes, (list) => list.some((one) => one.pid === pid), {
      what: () => `a crash of ${pid}`,
    });
    expect(found).toMatchObject([{ signal: 'SIGABRT', process: 'main' }]);
    const shown = await eventually(
      async () => (await service.batond('crashes', 'last')).stdout,
      (text) => text.includes('coredumpctl debug'),
      { deadlineMs: 30_000, what: () => 'the core dump is known' },
    );
    expect(shown).toContain(`coredumpctl debug ${pid}`);
    expect(shown).toContain('Native stack trace');
    const [entry] = await entries(1, 'BATOND_EVENT=crash-evidence');
    expect(entry).toMatchObject({ MESSAGE_ID: expect.any(String), BATOND_PID: String(pid), CORE_PID: String(pid) });
    const explained = await service.journal('-x', 'BATOND_EVENT=crash-evidence');
    expect(explained).toContain(`batond crashes --name shop ${found[0]!.id}`);
  });

  test('goes on through a reload and the death of a supervisor', async () => {
    expect(await service.reload()).toMatchObject({ status: 0 });
    const { supervisor } = await service.status();
    await service.lab.exec(['kill', '-KILL', String(supervisor.pid)]);
    await ask('/?user=1003');
    const found = await entries(3, 'USER_ID=1003');
    expect(found.filter(({ BATOND_GENERATION }) => BATOND_GENERATION === '2')).toHaveLength(2);
  });
});
