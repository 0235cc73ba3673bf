// What the supervisor says to systemd, byte by byte, and that saying it never blocks or throws.

import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Fd, native, type Received } from '../../src/native.js';
import { parseActivation } from '../../src/systemd/activation.js';
import { Notifier } from '../../src/systemd/notify.js';
import {
  encodeMessage,
  fdNameAssignment,
  reloadingAssignments,
  statusAssignment,
} from '../../src/systemd/notify-message.js';
import { startWatchdog, watchdogIntervalMs } from '../../src/systemd/watchdog.js';

describe('a message', () => {
  test('is lines of KEY=VALUE', () => {
    const message = encodeMessage([
      ['READY', 1],
      ['STATUS', 'serves'],
    ]);
    expect(message.toString()).toBe('READY=1\nSTATUS=serves');
    expect(encodeMessage(reloadingAssignments(1_234_567_890n)).toString()).toBe('RELOADING=1\nMONOTONIC_USEC=1234567');
  });

  test('cannot be given a line by what it quotes', () => {
    expect(statusAssignment('ok\nSTOPPING=1\r\n\tand\0so on ')).toEqual(['STATUS', 'ok STOPPING=1 and so on']);
    expect(() => encodeMessage([['STATUS', 'ok\nSTOPPING=1']])).toThrow(RangeError);
  });

  test('has a status of bounded length', () => {
    const [, text] = statusAssignment('x'.repeat(100_000));
    expect(text).toHaveLength(512);
    expect(text).toMatch(/…$/);
  });

  test('names descriptors only as systemd stores them', () => {
    expect(fdNameAssignment('worker g1s0')).toEqual(['FDNAME', 'worker g1s0']);
    for (const name of ['', 'a:b', 'a\nb', 'é', 'x'.repeat(256)])
      expect(() => fdNameAssignment(name)).toThrow(RangeError);
  });
});

describe('the notifier', () => {
  const open: Fd[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'batond-notify-'));
  afterEach(() => {
    for (const fd of open.splice(0)) native().close(fd);
    rmSync(folder, { recursive: true, force: true });
  });

  /** A stand-in for systemd: its notify socket, at a path or an abstract name. */
  function listen(path: string): Fd {
    const address = { family: 'unix', path } as const;
    const fd = native().bind({ type: 'dgram', address, reuseAddress: false, reusePort: false, ipv6Only: false });
    open.push(fd);
    return fd;
  }
  const abstract = () => `batond-test-${process.pid}-${Math.random()}`;
  const receive = (fd: Fd): Received | null => {
    const received = native().receive(fd, 4_096, 253);
    for (const passed of received?.fds ?? []) native().close(passed);
    return received;
  };
  const text = (fd: Fd) => receive(fd)?.data.toString() ?? null;

  test('speaks to an abstract address in order', () => {
    const name = abstract();
    const systemd = listen(`\0${name}`);
    const notifier = Notifier.fromEnvironment({ NOTIFY_SOCKET: `@${name}` });
    expect(notifier.active).toBe(true);
    expect(notifier.status('starts')).toBe(true);
    notifier.ready('serves');
    notifier.mainPid(42);
    notifier.watchdog();
    notifier.extendTimeout(2_500.7);
    notifier.stopping();
    const said = Array.from({ length: 6 }, () => text(systemd));
    expect(said).toEqual([
      'STATUS=starts',
      'READY=1\nSTATUS=serves',
      'MAINPID=42',
      'WATCHDOG=1',
      'EXTEND_TIMEOUT_USEC=2500',
      'STOPPING=1',
    ]);
    notifier.reloading();
    const [, usec] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(text(systemd)!)!;
    expect(Math.abs(Number(usec) - Number(process.hrtime.bigint() / 1_000n))).toBeLessThan(10_000_000);
  });

  test('passes descriptors to the store, in batches the kernel takes', () => {
    const name = abstract();
    const systemd = listen(`\0${name}`);
    const notifier = Notifier.fromEnvironment({ NOTIFY_SOCKET: `@${name}` });
    const fd = openSync('/dev/null', 'r');
    expect(notifier.fdStore('pidfd-g1s0', Array(300).fill(fd), { poll: false })).toBe(true);
    notifier.fdStore('listener', [fd], { poll: true });
    notifier.fdStoreRemove('pidfd-g1s0');
    closeSync(fd);
    const received = Array.from({ length: 4 }, () => receive(systemd)!);
    expect(received.map(({ data, fds }) => [data.toString(), fds.length])).toEqual([
      ['FDSTORE=1\nFDNAME=pidfd-g1s0\nFDPOLL=0', 253],
      ['FDSTORE=1\nFDNAME=pidfd-g1s0\nFDPOLL=0', 47],
      ['FDSTORE=1\nFDNAME=listener', 1],
      ['FDSTOREREMOVE=1\nFDNAME=pidfd-g1s0', 0],
    ]);
  });

  test('waits at a barrier until systemd closes what came with it', async () => {
    const name = abstract();
    const systemd = listen(`\0${name}`);
    const notifier = Notifier.fromEnvironment({ NOTIFY_SOCKET: `@${name}` });
    let passed = false;
    const barrier = notifier.barrier(10_000).then(() => {
      passed = true;
    });
    const received = native().receive(systemd, 4_096, 253)!;
    expect(received.data.toString()).toBe('BARRIER=1');
    expect(received.fds).toHaveLength(1);
    await new Promise(setImmediate);
    expect(passed).toBe(false);
    native().close(received.fds[0]!);
    await barrier;
  });

  test('goes on after a barrier that nobody answers', async () => {
    const name = abstract();
    listen(`\0${name}`);
    await Notifier.fromEnvironment({ NOTIFY_SOCKET: `@${name}` }).barrier(30);
    await Notifier.fromEnvironment({ NOTIFY_SOCKET: '/nowhere/at/all' }).barrier(10_000);
    await Notifier.fromEnvironment({}).barrier(10_000);
  });

  test('keeps what a busy systemd cannot take, in its order and with its descriptors', async () => {
    const name = abstract();
    const systemd = listen(`\0${name}`);
    const notifier = Notifier.fromEnvironment({ NOTIFY_SOCKET: `@${name}` });
    let sent = 0;
    while (notifier.status(`${sent}`)) sent++;
    expect(sent).toBeGreaterThan(0);
    const fd = openSync('/dev/null', 'r');
    expect(notifier.fdStore('late', [fd], { poll: false })).toBe(false);
    closeSync(fd);
    expect(notifier.watchdog()).toBe(false);

    const said: string[] = [];
    await vi.waitFor(() => {
      for (let received = receive(systemd); received !== null; received = receive(systemd)) {
        said.push(`${received.data} ${received.fds.length}`);
      }
      expect(said.at(-1)).toBe('FDSTORE=1\nFDNAME=late\nFDPOLL=0 1');
    });
    expect(said.slice(0, -1)).toEqual(Array.from({ length: sent + 1 }, (_, i) => `STATUS=${i} 0`));
  });

  test('does nothing outside systemd, and does not mind an address where nobody is', () => {
    for (const env of [{}, { NOTIFY_SOCKET: '' }, { NOTIFY_SOCKET: 'vsock:2:1' }, { NOTIFY_SOCKET: 'relative' }]) {
      const notifier = Notifier.fromEnvironment(env);
      expect(notifier.active).toBe(false);
      expect(notifier.ready()).toBe(false);
    }
    expect(Notifier.fromEnvironment({ NOTIFY_SOCKET: '/nowhere/at/all' }).ready()).toBe(false);
    expect(Notifier.fromEnvironment({ NOTIFY_SOCKET: `/${'x'.repeat(300)}` }).ready()).toBe(false);
  });
});

describe('the watchdog', () => {
  test('is fed at half its interval, if it is ours', () => {
    expect(watchdogIntervalMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7)).toBe(15_000);
    expect(watchdogIntervalMs({ WATCHDOG_USEC: '30000000' }, 7)).toBe(15_000);
    expect(watchdogIntervalMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7)).toBeNull();
    expect(watchdogIntervalMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, null)).toBe(15_000);
  });

  test('is off for garbage', () => {
    for (const usec of ['', '0', '-1', '1e9', ' 5', 'infinity', '9'.repeat(30)]) {
      expect(watchdogIntervalMs({ WATCHDOG_USEC: usec }, null)).toBeNull();
    }
    expect(watchdogIntervalMs({}, null)).toBeNull();
    expect(watchdogIntervalMs({ WATCHDOG_USEC: '1' }, null)).toBe(1);
    expect(watchdogIntervalMs({ WATCHDOG_USEC: '9'.repeat(19) }, null)).toBe(2 ** 31 - 1);
  });

  test('is fed at once and then in turn, unless the supervisor says that it is not well', () => {
    vi.useFakeTimers();
    try {
      const notifier = { watchdog: vi.fn(() => true) };
      let alive = true;
      const watchdog = startWatchdog(notifier, { WATCHDOG_USEC: '2000000' }, { successor: true, isAlive: () => alive });
      expect(notifier.watchdog).toHaveBeenCalledTimes(1);
      vi.advanceTimersByTime(3_000);
      expect(notifier.watchdog).toHaveBeenCalledTimes(4);
      alive = false;
      vi.advanceTimersByTime(3_000);
      expect(notifier.watchdog).toHaveBeenCalledTimes(4);
      alive = true;
      watchdog.stop();
      vi.advanceTimersByTime(3_000);
      expect(notifier.watchdog).toHaveBeenCalledTimes(4);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('socket activation', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'http::admin' };

  test('numbers descriptors from 3 and names them', () => {
    expect(parseActivation(env, 7)).toEqual([
      { fd: 3, name: 'http' },
      { fd: 4, name: 'unknown' },
      { fd: 5, name: 'admin' },
    ]);
    expect(parseActivation({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7)).toEqual([{ fd: 3, name: 'unknown' }]);
  });

  test('is nothing when it is meant for another process, or garbage', () => {
    expect(parseActivation(env, 8)).toEqual([]);
    expect(parseActivation({ ...env, LISTEN_PID: undefined }, 7)).toEqual([]);
    for (const LISTEN_FDS of ['', '-1', '1.5', '0x3', 'three', '9999999', '99999999999']) {
      expect(parseActivation({ ...env, LISTEN_FDS }, 7)).toEqual([]);
    }
    expect(parseActivation({ ...env, LISTEN_FDS: '0' }, 7)).toEqual([]);
    expect(parseActivation({}, 7)).toEqual([]);
  });
});
