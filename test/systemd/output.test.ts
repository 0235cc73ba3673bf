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
    expect(found.filter(({ BATOND_WORKER_PID }) => BATOND_WORKER_PID !== undefined)).toMatchObject([
      { ...of, MESSAGE: 'asked for a page', PRIORITY: '6', REQUEST_ID: 'r1001', SYSLOG_IDENTIFIER: 'shop' },
      { ...of, MESSAGE: 'failed', PRIORITY: '3', ERROR_MESSAGE: 'no such page', CODE_FILE: expect.any(String) },
    ]);
    // What journald knows of the worker by itself.
    expect(found[0]).toMatchObject({ OBJECT_PID: String(pid), OBJECT_COMM: 'node' });
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

  test('goes on through a reload and the death of a supervisor', async () => {
    expect(await service.reload()).toMatchObject({ status: 0 });
    const { supervisor } = await service.status();
    await service.lab.exec(['kill', '-KILL', String(supervisor.pid)]);
    await ask('/?user=1003');
    const found = await entries(3, 'USER_ID=1003');
    expect(found.filter(({ BATOND_GENERATION }) => BATOND_GENERATION === '2')).toHaveLength(2);
  });
});
