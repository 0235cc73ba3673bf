/** The host's fd store is systemd's: what the main process stores, the next main process gets, and nobody after a stop. */
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HostAlone } from '../support/host/host-alone.js';
import { eventually } from '../support/service/wait.js';

/** Linux 6.15: a pidfd tells how the process ended after it was reaped. */
const [MAJOR, MINOR] = release().split('.').map(Number) as [number, number];
const REMEMBERS_EXITS = MAJOR > 6 || (MAJOR === 6 && MINOR >= 15);
const STORE = 'FDSTORE=1\nFDNAME=';

test('a first supervisor gets nothing but the size of the store', async () => {
  await using host = await HostAlone.start({ env: { LISTEN_FDS: '3', LISTEN_FDNAMES: 'a:b:c', LISTEN_PID: '1' } });
  expect(await host.started(1)).toMatchObject({ FDSTORE: '512', LISTEN_FDS: null, LISTEN_FDNAMES: null });
});

test('what is stored survives each death of the main process, by its name', async () => {
  await using host = await HostAlone.start();
  await host.tell({ notify: `${STORE}listener-1`, fds: ['memfd one', 'memfd two'] });
  await host.tell({ notify: 'FDSTORE=1', fds: ['memfd three'] });
  await host.tell({ notify: `${STORE}not:valid`, fds: ['memfd four'] });
  const passed = [
    ['listener-1', 'one'],
    ['listener-1', 'two'],
    ['stored', 'three'],
    ['stored', 'four'],
  ];
  const second = await host.crash();
  expect(second).toMatchObject({ passed, LISTEN_FDS: '4', LISTEN_FDNAMES: 'listener-1:listener-1:stored:stored' });
  expect((await host.crash()).passed).toEqual(passed);
  expect(host.log).toContain('FDNAME= that is not valid');
});

test('a removal needs a name, and drops all of that name', async () => {
  await using host = await HostAlone.start();
  await host.tell({ notify: `${STORE}a`, fds: ['memfd one', 'memfd two'] });
  await host.tell({ notify: `${STORE}b`, fds: ['memfd three'] });
  await host.tell({ notify: 'FDSTOREREMOVE=1' });
  expect(host.open('/memfd:kept')).toBe(3);
  expect(host.log).toContain('FDSTOREREMOVE=1 without a FDNAME= that is valid');
  await host.tell({ notify: 'FDSTOREREMOVE=1\nFDNAME=a' });
  expect(host.open('/memfd:kept')).toBe(1);
  expect((await host.crash()).passed).toEqual([['b', 'three']]);
});

test('what hangs up is dropped, unless it came with FDPOLL=0; half a hang-up is none', async () => {
  await using host = await HostAlone.start();
  const before = host.open('socket:');
  await host.tell({ notify: `${STORE}polled`, fds: ['pair first'] });
  await host.tell({ notify: `${STORE}half\nFDPOLL=1`, fds: ['pair second'] });
  await host.tell({ notify: `${STORE}kept\nFDPOLL=0`, fds: ['pair third'] });
  expect(host.open('socket:')).toBe(before + 3);
  await host.tell({ halfClose: 'second' });
  await host.tell({ hangUp: 'third' });
  await host.tell({ hangUp: 'first' });
  await eventually(
    () => host.open('socket:'),
    (count) => count === before + 2,
    { what: () => 'the one that hung up is dropped' },
  );
  // The death of the process hangs up the other end of `half`.
  expect((await host.crash()).passed.map(([name]) => name)).toEqual(['kept']);
  expect((await host.crash()).passed.map(([name]) => name)).toEqual(['kept']);
});

test('the same open file is stored once, under its first name', async () => {
  await using host = await HostAlone.start();
  const [fd] = (await host.tell({ notify: `${STORE}a`, fds: ['memfd one'] })) as number[];
  await host.tell({ notify: `${STORE}b`, fds: [`again ${fd}`, `again ${fd}`] });
  expect((await host.crash()).passed).toEqual([['a', 'one']]);
});

test('beyond the limit nothing more is stored, and that is said', async () => {
  await using host = await HostAlone.start({ fdStoreMax: 2 });
  await host.tell({ notify: `${STORE}a`, fds: ['memfd one', 'memfd two', 'memfd three'] });
  expect(host.open('/memfd:kept')).toBe(2);
  expect(host.log).toContain('cannot store more than 2 descriptors');
  await host.tell({ notify: 'FDSTOREREMOVE=1\nFDNAME=a' });
  await host.tell({ notify: `${STORE}b`, fds: ['memfd four'] });
  expect(await host.crash()).toMatchObject({ passed: [['b', 'four']], FDSTORE: '2' });
});

describe('a worker of a supervisor that died', () => {
  const start = async () => {
    const host = await HostAlone.start();
    await host.tell({ notify: `${STORE}pidfd\nFDPOLL=0`, fds: ['child worker'] });
    return host;
  };

  test('is left alone while something is stored, and its exit can be read after the host has reaped it', async () => {
    await using host = await start();
    await host.crash();
    await host.crash();
    expect(await host.tell({ exitInfo: 'pidfd' })).toBeNull();
    writeFileSync(join(host.folder, 'worker'), '\n');
    await eventually(
      () => host.processes(),
      (processes) => processes.length === 2 && processes.every(({ state }) => state !== 'Z'),
      { what: () => `the child is reaped: ${JSON.stringify(host.processes())}` },
    );
    if (REMEMBERS_EXITS) expect(await host.tell({ exitInfo: 'pidfd' })).toBe(7 << 8);
  });

  test('is told to end at the stop, which drops the store', async () => {
    await using host = await start();
    await host.crash();
    host.signal('SIGTERM');
    expect(await host.exit).toBe(0);
    expect(host.processes()).toEqual([]);
  });

  test('is told to end by a stop in the pause before the next supervisor', async () => {
    await using host = await start();
    const { pid } = await host.started(1);
    process.kill(pid, 'SIGKILL');
    await host.said('starting the next one');
    host.signal('SIGTERM');
    expect(await host.exit).toBe(0);
    expect(host.processes()).toEqual([]);
  });

  test('is told to end when the main process has said STOPPING=1 and ends', async () => {
    await using host = await start();
    await host.tell({ end: 3 });
    expect(await host.exit).toBe(3);
    expect(host.processes()).toEqual([]);
  });
});
