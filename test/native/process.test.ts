/** Attributes of a process, pidfds, locks and memfds. What would change this process is done in one of its own. */
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Fd, native, type Spawned } from '../../src/native.js';
import { expectFailure, expectNoLeak, expectNoLeakOnFailure, processStat, zombies } from './expectations.js';
import { node, program, sh, waitForEnd, withOutput } from './programs.js';

const n = native();

/** A child that ends by itself with `script`; the caller reaps it. */
function start(script: string): Spawned {
  let spawned!: Spawned;
  withOutput((stdin, output) => {
    spawned = n.spawn(program({ argv: ['sh', '-c', script] }, stdin, output));
  });
  return spawned;
}

/** A child that waits until it is told by a signal. */
function startWaiting(): Spawned {
  const [ours, theirs] = n.socketpair('stream');
  const spawned = n.spawn(program({ file: '/bin/sleep', argv: ['sleep', '600'] }, theirs, theirs));
  closeSync(ours);
  closeSync(theirs);
  return spawned;
}

describe('pidfdWait', () => {
  test('is null while the process runs, and tells the signal that ended it', () => {
    const { pidfd } = startWaiting();
    expect(n.pidfdWait(pidfd)).toBeNull();
    expect(n.pidfdSignal(pidfd, 15)).toBe(true);
    waitForEnd(pidfd);
    expect(n.pidfdWait(pidfd)).toEqual({ code: null, signal: 15 });
    expectFailure(() => n.pidfdWait(pidfd), 'ECHILD', 'waitid');
    expect(n.pidfdSignal(pidfd, 15)).toBe(false);
    closeSync(pidfd);
    expect(zombies()).toEqual([]);
  });

  test.each([0, 1, 77, 255])('tells exit code %i', (code) => {
    expect(sh(`exit ${code}`).exit).toEqual({ code, signal: null });
  });

  test('is ECHILD for a process that is not ours, EBADF for no pidfd', () => {
    const pidfd = n.pidfdOpen(process.ppid)!;
    expectFailure(() => n.pidfdWait(pidfd), 'ECHILD', 'waitid');
    closeSync(pidfd);
    expectFailure(() => n.pidfdWait(99_999), 'EBADF', 'waitid');
  });
});

describe('pidfdOpen', () => {
  test('is null where no such process is', () => {
    const { pid } = sh('exit 0');
    expect(n.pidfdOpen(pid)).toBeNull();
    expectFailure(() => n.pidfdOpen(0), 'EINVAL', 'pidfd_open');
    expect(() => n.pidfdOpen('1' as unknown as number)).toThrow(TypeError);
  });

  test('1,000 rounds of it and of what takes a pidfd leave no descriptor', () => {
    expectNoLeak(() => {
      const pidfd = n.pidfdOpen(process.pid)!;
      n.pidfdSignal(pidfd, 0);
      n.pidfdInfo(pidfd);
      closeSync(pidfd);
    });
    expectNoLeakOnFailure(() => n.pidfdWait(99_999));
    expectNoLeakOnFailure(() => n.pidfdOpen(0));
  });
});

describe('pidfdSignal', () => {
  test('an unknown signal is EINVAL, no pidfd EBADF', () => {
    const pidfd = n.pidfdOpen(process.pid)!;
    expect(n.pidfdSignal(pidfd, 0)).toBe(true);
    expectFailure(() => n.pidfdSignal(pidfd, 999), 'EINVAL', 'pidfd_send_signal');
    closeSync(pidfd);
    expectFailure(() => n.pidfdSignal(99_999, 15), 'EBADF', 'pidfd_send_signal');
  });
});

describe('pidfdInfo', () => {
  const self = n.pidfdOpen(process.pid)!;
  const supported = n.pidfdInfo(self) !== null;
  // 6.15 brought the exit status; 6.13 and 6.14 have the rest.
  const [major, minor] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number) as [number, number];
  const tellsExits = supported && (major > 6 || (major === 6 && minor >= 15));
  closeSync(self);

  test('is null for what is no pidfd', () => {
    const fd = openSync('/dev/null', 'r');
    expect(n.pidfdInfo(fd)).toBeNull();
    closeSync(fd);
    expectFailure(() => n.pidfdInfo(99_999), 'EBADF', 'ioctl');
  });

  test('tells who a process is', (context) => {
    context.skip(!supported, 'this kernel has no PIDFD_GET_INFO (Linux 6.13)');
    const pidfd = n.pidfdOpen(process.pid)!;
    expect(n.pidfdInfo(pidfd)).toEqual({
      pid: process.pid,
      parentPid: process.ppid,
      cgroupId: expect.any(BigInt),
      exit: null,
    });
    closeSync(pidfd);
  });

  test('tells how a process ended once it has been reaped, even one that was not ours', (context) => {
    context.skip(!tellsExits, 'this kernel does not remember exits (PIDFD_INFO_EXIT, Linux 6.15)');
    const [ours, theirs] = n.socketpair('seqpacket');
    // The middle one starts two processes, passes their pidfds on, and reaps them itself.
    const script = `
      const start = (script) => n.spawn({ file: '/bin/sh', argv: ['sh', '-c', script], env: [], cwd: '/', fds: [0, 1, 2],
        parent: 'self', newSession: false }).pidfd;
      const fds = [start('exit 42'), start('kill -9 $$')];
      n.send(3, Buffer.from('x'), { fds });
      for (const fd of fds) { n.poll(fd, { readable: true, writable: false }, -1); n.pidfdWait(fd); }`;
    node(script, {}, [theirs]);
    const { fds } = n.receive(ours, 1, 2)!;
    const reaped = { pid: 0, parentPid: 0, cgroupId: expect.anything() };
    expect(n.pidfdInfo(fds[0]!)).toEqual({ ...reaped, exit: { code: 42, signal: null } });
    expect(n.pidfdInfo(fds[1]!)).toEqual({ ...reaped, exit: { code: null, signal: 9 } });
    for (const fd of [ours, theirs, ...fds]) closeSync(fd);
  });

  test('of a process that has ended and waits to be reaped tells no exit yet', (context) => {
    context.skip(!tellsExits, 'this kernel does not remember exits (PIDFD_INFO_EXIT, Linux 6.15)');
    const { pid, pidfd } = start('exit 3');
    waitForEnd(pidfd);
    expect(n.pidfdInfo(pidfd)).toMatchObject({ pid, parentPid: process.pid, exit: null });
    n.pidfdWait(pidfd);
    expect(n.pidfdInfo(pidfd)).toMatchObject({ pid: 0, exit: { code: 3, signal: null } });
    closeSync(pidfd);
  });
});

describe('waitAny', () => {
  test('reaps whichever child has ended, and is null without one', () => {
    expect(n.waitAny()).toBeNull();
    const running = startWaiting();
    expect(n.waitAny()).toBeNull();
    const ended = start('exit 5');
    waitForEnd(ended.pidfd);
    expect(n.waitAny()).toEqual({ pid: ended.pid, code: 5, signal: null });
    expect(n.waitAny()).toBeNull();
    n.pidfdSignal(running.pidfd, 9);
    waitForEnd(running.pidfd);
    expect(n.waitAny()).toEqual({ pid: running.pid, code: null, signal: 9 });
    closeSync(running.pidfd);
    closeSync(ended.pidfd);
  });
});

describe('attributes', () => {
  test('setsid makes a session, and is EPERM for a group leader', () => {
    const script = `
      const session = n.setsid();
      let again; try { n.setsid(); } catch ({ code, syscall }) { again = { code, syscall }; }
      const stat = require('fs').readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ');
      console.log(JSON.stringify({ session, now: Number(stat[3]), again }));`;
    const { output, pid } = node(script);
    expect(JSON.parse(output)).toEqual({ session: pid, now: pid, again: { code: 'EPERM', syscall: 'setsid' } });
  });

  test('setProcessName names the thread, cut at 15 bytes', () => {
    const read = `require('fs').readFileSync('/proc/self/comm', 'utf8').trim()`;
    const { output } = node(`n.setProcessName('batond-with-a-long-name'); console.log(${read});`);
    expect(output).toBe('batond-with-a-l\n');
    expect(() => n.setProcessName(1 as unknown as string)).toThrow(TypeError);
  });

  test('setNoNewPrivileges and setDeathSignal', () => {
    const script = `
      n.setNoNewPrivileges();
      n.setDeathSignal(15);
      n.setDeathSignal(0);
      let refused; try { n.setDeathSignal(999); } catch ({ code, syscall }) { refused = { code, syscall }; }
      const status = require('fs').readFileSync('/proc/self/status', 'utf8');
      console.log(JSON.stringify({ refused, set: /NoNewPrivs:\\t1/.test(status) }));`;
    expect(JSON.parse(node(script).output)).toEqual({ refused: { code: 'EINVAL', syscall: 'prctl' }, set: true });
  });

  test('setSubreaper adopts orphans until it is off', () => {
    const script = `
      const parentOfOrphan = () => {
        const { pidfd } = n.spawn({ file: '/bin/sh', argv: ['sh', '-c', 'echo $PPID'], env: [], cwd: '/', fds: [0, 1, 2],
          parent: 'orphan', newSession: false });
        n.poll(pidfd, { readable: true, writable: false }, -1);
      };
      n.setSubreaper(true);
      parentOfOrphan();
      n.setSubreaper(false);
      parentOfOrphan();`;
    const { output, pid } = node(script);
    const [adopted, not] = output.trim().split('\n').map(Number);
    expect(adopted).toBe(pid);
    expect(not).not.toBe(pid);
  });

  test('getRlimit answers what the kernel says', () => {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const [, soft, hard] = /Max open files\s+(\S+)\s+(\S+)/.exec(limits)!;
    const number = (text: string) => (text === 'unlimited' ? null : Number(text));
    expect(n.getRlimit('nofile')).toEqual({ soft: number(soft!), hard: number(hard!) });
    expectFailure(() => n.getRlimit('unheard'), 'EINVAL', 'getrlimit');
    expect(() => n.getRlimit(7 as unknown as string)).toThrow(TypeError);
  });

  test('1,000 rounds leave no descriptor', () => {
    const name = readFileSync('/proc/self/comm', 'utf8').trim();
    expectNoLeak(() => {
      n.setProcessName(name);
      n.setSubreaper(false);
      n.setDeathSignal(0);
      n.getRlimit('nofile');
      n.waitAny();
    });
    expect(processStat('self')!.pid).toBe(process.pid);
  });
});

describe('dup and close', () => {
  test('dup makes another number for the same file, close frees it once', () => {
    const file = n.memfdCreate('dup');
    const copy = n.dup(file);
    expect(fstatSync(copy).ino).toBe(fstatSync(file).ino);
    n.close(copy);
    expectFailure(() => n.close(copy), 'EBADF', 'close');
    n.close(file);
    expectFailure(() => n.dup(file), 'EBADF', 'fcntl');
    expect(() => n.close('1' as unknown as Fd)).toThrow(TypeError);
    expect(() => n.close(Number.NaN)).toThrow(TypeError);
  });

  test('1,000 rounds leave no descriptor', () => {
    expectNoLeak(() => n.close(n.dup(0)));
    expectNoLeakOnFailure(() => n.dup(-1));
  });
});

describe('lockFile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'batond-lock-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is false where another description holds it, and true again after that', () => {
    const path = join(folder, 'lock');
    const [first, second] = [openSync(path, 'w'), openSync(path, 'w')];
    expect(n.lockFile(first)).toBe(true);
    expect(n.lockFile(first)).toBe(true);
    expect(n.lockFile(second)).toBe(false);
    closeSync(first);
    expect(n.lockFile(second)).toBe(true);
    expectNoLeak(() => n.lockFile(second));
    closeSync(second);
    expectFailure(() => n.lockFile(-1), 'EBADF', 'flock');
  });
});

describe('memfd', () => {
  test('is written until it is sealed, and cannot be unsealed', () => {
    const fd = n.memfdCreate('inventory');
    writeSync(fd, 'state');
    expect(n.memfdIsSealed(fd)).toBe(false);
    n.memfdSeal(fd);
    expect(n.memfdIsSealed(fd)).toBe(true);
    expect(() => writeSync(fd, 'more')).toThrow(expect.objectContaining({ code: 'EPERM' }));
    expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('state');
    expectFailure(() => n.memfdSeal(fd), 'EPERM', 'fcntl');
    closeSync(fd);
    expectFailure(() => n.memfdCreate('x'.repeat(300)), 'EINVAL', 'memfd_create');
  });

  test('what is no memfd cannot be sealed', () => {
    const fd = openSync('/dev/null', 'r+');
    expectFailure(() => n.memfdSeal(fd), 'EINVAL', 'fcntl');
    expect(n.memfdIsSealed(fd)).toBe(false);
    closeSync(fd);
    expectFailure(() => n.memfdIsSealed(-1), 'EBADF', 'fcntl');
  });

  test('1,000 rounds leave no descriptor', () => {
    expectNoLeak(() => {
      const fd = n.memfdCreate('round');
      n.memfdSeal(fd);
      closeSync(fd);
    });
    expectNoLeakOnFailure(() => n.memfdCreate('x'.repeat(300)));
  });
});
