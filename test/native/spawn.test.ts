import { closeSync, mkdtempSync, openSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Fd, native, type SpawnOptions } from '../../src/native.js';
import { expectFailure, expectNoLeak, expectNoLeakOnFailure, processStat, reapAll, zombies } from './expectations.js';
import { node, program, sh, waitForEnd, withOutput } from './programs.js';

const n = native();
const isRoot = process.getuid!() === 0;
const folder = mkdtempSync(join(tmpdir(), 'batond-spawn-'));
afterAll(() => rmSync(folder, { recursive: true }));

let devNull: Fd;
beforeEach(() => {
  devNull = openSync('/dev/null', 'r+');
});
// Orphans become children of this process, so that they leave nothing behind where init does not reap.
beforeAll(() => n.setSubreaper(true));
afterAll(() => n.setSubreaper(false));
afterEach(async () => {
  closeSync(devNull);
  await reapAll();
});

/** A spawn whose output does not matter. */
const quiet = (options: Partial<SpawnOptions> = {}) =>
  n.spawn(program({ argv: ['true'], file: '/bin/true', ...options }, devNull, devNull));

/** What the new process finds in /proc/self/status under this key. */
const status = (key: string, options: Partial<SpawnOptions>) =>
  sh(`grep ^${key}: /proc/self/status`, options).output.split('\t')[1]?.trim();

/** Text of a script for `node` that prints the failure of a spawn with these options. */
const failureOf = (options: string) => `
  try {
    n.spawn({ file: '/bin/true', argv: ['true'], env: [], cwd: '/', fds: [0, 1, 2], parent: 'self', newSession: false,
      ...${options} });
  } catch ({ code, syscall }) { console.log(code, syscall); }`;

describe('the command', () => {
  test('gets its arguments and exactly the environment that is named', () => {
    const argv = ['zeroth', '-c', 'echo "$0|$1|$2"; env | sort', 'first', 'a b', 'ü'];
    let pidfd!: Fd;
    const output = withOutput((stdin, out) => {
      ({ pidfd } = n.spawn(program({ argv, env: ['ONE=1', 'TWO=two words'] }, stdin, out)));
      waitForEnd(pidfd);
      n.pidfdWait(pidfd);
    });
    closeSync(pidfd);
    const [first, ...env] = output.trim().split('\n');
    expect(first).toBe('first|a b|ü');
    // PWD is the shell's own.
    expect(env.filter((line) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(line))).toEqual(['ONE=1', 'TWO=two words']);
  });

  test('is told its own pid in a variable, however it is made', () => {
    for (const parent of ['self', 'orphan'] as const) {
      const { output, pid } = sh('echo $LISTEN_PID', { pidVariable: 'LISTEN_PID', parent });
      expect(Number(output)).toBe(pid);
    }
  });

  test('runs where it is told to', () => {
    expect(sh('pwd -P', { cwd: '/proc' }).output).toBe('/proc\n');
  });

  test('starts with no signal ignored, caught or blocked', () => {
    const { output } = sh('exec cat /proc/self/status');
    const masks = [...output.matchAll(/^(Sig(?:Blk|Ign|Cgt)):\t(\w+)$/gm)].map(([, name, mask]) => [
      name,
      Number(mask),
    ]);
    expect(masks).toEqual([
      ['SigBlk', 0],
      ['SigIgn', 0],
      ['SigCgt', 0],
    ]);
  });
});

describe('whose child it becomes', () => {
  const ppid = (parent: string) => `
    const { pid, pidfd } = n.spawn({ file: '/bin/sh', argv: ['sh', '-c', 'echo $PPID; exit 7'], env: [], cwd: '/',
      fds: [0, 1, 2], parent: '${parent}', newSession: false });
    n.poll(pidfd, { readable: true, writable: false }, -1);
    console.log(pid, n.pidfdInfo(pidfd)?.pid ?? pid);
    let wait; try { wait = n.pidfdWait(pidfd); } catch ({ code }) { wait = code; }
    console.log(JSON.stringify(wait));`;
  const parse = (output: string) => {
    const [parent, pids, wait] = output.trim().split('\n');
    const [pid, fromPidfd] = pids!.split(' ').map(Number);
    return { parent: Number(parent), pid: pid!, fromPidfd, wait: JSON.parse(wait!) };
  };

  test("'self': ours, and ours to reap", () => {
    const outcome = node(ppid('self'));
    const seen = parse(outcome.output);
    expect(seen).toMatchObject({ parent: outcome.pid, fromPidfd: seen.pid, wait: { code: 7, signal: null } });
  });

  test("'sibling': our parent's, who reaps it", () => {
    // The process in between is a child of this one, so its sibling is one too.
    const seen = parse(node(ppid('sibling')).output);
    expect(seen).toMatchObject({ parent: process.pid, fromPidfd: seen.pid, wait: 'ECHILD' });
    expect(n.waitAny()).toEqual({ pid: seen.pid, code: 7, signal: null });
  });

  test("'orphan': of the nearest subreaper, while the process in between leaves no trace", () => {
    const script = `n.setSubreaper(true);${ppid('orphan')}`;
    const outcome = node(script);
    const seen = parse(outcome.output);
    expect(seen).toMatchObject({ parent: outcome.pid, fromPidfd: seen.pid, wait: { code: 7, signal: null } });
    // Its own one is not adopted by the process in between, but by this one, which is the next subreaper.
    const other = parse(node(ppid('orphan')).output);
    expect(other).toMatchObject({ parent: process.pid, fromPidfd: other.pid, wait: 'ECHILD' });
    expect(zombies()).toEqual([other.pid]);
    expect(n.waitAny()).toEqual({ pid: other.pid, code: 7, signal: null });
  });

  test('the signal of the exit is SIGCHLD', () => {
    const script = `
      process.on('SIGCHLD', () => { console.log('told'); process.exit(); });
      n.spawn({ file: '/bin/true', argv: ['true'], env: [], cwd: '/', fds: [0, 1, 2], parent: 'self', newSession: false });
      setTimeout(() => {}, 20_000);`;
    expect(node(script).output).toBe('told\n');
  });

  test('another word is a TypeError, and so is a missing option', () => {
    expect(() => quiet({ parent: 'stranger' as 'self' })).toThrow(TypeError);
    expect(() => n.spawn({} as SpawnOptions)).toThrow(TypeError);
    expect(() => quiet({ fds: [0.5] })).toThrow(TypeError);
    expect(() => quiet({ argv: 'true' as unknown as string[] })).toThrow(TypeError);
    expect(() => quiet({ groups: [-1] })).toThrow(TypeError);
  });
});

describe.each(['self', 'orphan'] as const)('a failure of a spawn as %s', (parent) => {
  test('names the step, and leaves no zombie and no descriptor', () => {
    const script = join(folder, 'not-executable');
    writeFileSync(script, '#!/bin/sh\n');
    expectFailure(() => quiet({ parent, file: '/nowhere' }), 'ENOENT', 'execve');
    expectFailure(() => quiet({ parent, file: script }), 'EACCES', 'execve');
    expectFailure(() => quiet({ parent, cwd: '/nowhere' }), 'ENOENT', 'chdir');
    expectFailure(() => quiet({ parent, cwd: script }), 'ENOTDIR', 'chdir');
    expectFailure(() => quiet({ parent, fds: [devNull, 99_999] }), 'EBADF', 'dup');
    expectFailure(() => quiet({ parent, fds: [-1] }), 'EBADF', 'dup');
    expectFailure(() => quiet({ parent, oomScoreAdjust: 2000 }), 'EINVAL', 'oom_score_adj');
    expectFailure(() => quiet({ parent, cpus: [60_000] }), 'EINVAL', 'sched_setaffinity');
    expectFailure(() => quiet({ parent, cpus: [] }), 'EINVAL', 'sched_setaffinity');
    expectFailure(() => quiet({ parent, deathSignal: 999 }), 'EINVAL', 'prctl');
    const soft = { resource: 'core', soft: 2, hard: 1 };
    expectFailure(() => quiet({ parent, rlimits: [soft] }), 'EINVAL', 'setrlimit');
    expectFailure(() => quiet({ parent, rlimits: [{ ...soft, resource: 'unheard' }] }), 'EINVAL', 'setrlimit');
    expectFailure(() => quiet({ parent, rlimits: [{ ...soft, soft: 0.5 }] }), 'EINVAL', 'setrlimit');
    expectFailure(() => quiet({ parent, argv: ['a\0b'] }), 'EINVAL', 'execve');
    expectFailure(() => quiet({ parent, uid: 0xffffffff }), 'EINVAL', 'setuid');
    expectFailure(() => quiet({ parent, gid: 0xffffffff }), 'EINVAL', 'setgid');
    expectNoLeakOnFailure(() => {
      // An orphan that has failed is for the subreaper to reap, which happens to be this process.
      if (parent === 'orphan') n.waitAny();
      quiet({ parent, file: '/nowhere' });
    });
    expectNoLeakOnFailure(() => quiet({ parent, fds: [99_999] }));
    if (parent === 'self') expect(zombies()).toEqual([]);
  });
});

test('a failing sibling names the step, and its zombie is for our parent to reap', () => {
  const outcome = node(failureOf(`{ parent: 'sibling', file: '/nowhere' }`));
  expect(outcome.output).toBe('ENOENT execve\n');
  expect(n.waitAny()).toMatchObject({ code: 127 });
});

/** Each starts a process; `npm run test:sanitize rounds` makes ten thousand. */
const ROUNDS = 200;

test(`${ROUNDS} rounds leave no descriptor and no zombie`, () => {
  expectNoLeak(() => {
    const { pidfd } = quiet();
    waitForEnd(pidfd);
    n.pidfdWait(pidfd);
    closeSync(pidfd);
  }, ROUNDS);
  expect(zombies()).toEqual([]);
  expectNoLeak(() => {
    const { pidfd } = quiet({ parent: 'orphan' });
    waitForEnd(pidfd);
    n.pidfdWait(pidfd);
    closeSync(pidfd);
  }, ROUNDS);
  expect(zombies()).toEqual([]);
  // Siblings of this process would stay with its parent as zombies: let them be our children.
  const script = `
    const round = () => n.close(n.spawn({ file: '/bin/true', argv: ['true'], env: [], cwd: '/', fds: [0, 1, 2],
      parent: 'sibling', newSession: false }).pidfd);
    const count = () => require('fs').readdirSync('/proc/self/fd').length;
    round();
    const before = count();
    for (let rounds = 0; rounds < ${ROUNDS}; rounds++) round();
    console.log(count() - before);`;
  expect(node(script).output).toBe('0\n');
  let reaped = 0;
  while (n.waitAny() !== null) reaped++;
  expect(reaped).toBeGreaterThan(0.9 * ROUNDS);
}, 60_000);

describe('descriptors', () => {
  const filesOf = (fds: readonly Fd[]) => fds.map((fd) => readlinkSync(`/proc/self/fd/${fd}`));

  /** What `ls` sees as its own descriptors, but for the folder that it lists. */
  function seenWith(fds: (output: Fd) => readonly Fd[]): string[] {
    let wanted: string[] = [];
    const output = withOutput((_, out) => {
      const map = fds(out);
      wanted = filesOf(map);
      const { pidfd } = n.spawn(
        program({ file: '/bin/ls', argv: ['ls', '-l', '/proc/self/fd'], fds: map }, devNull, out),
      );
      waitForEnd(pidfd);
      n.pidfdWait(pidfd);
      closeSync(pidfd);
    });
    const seen: string[] = [];
    for (const [, fd, file] of output.matchAll(/ (\d+) -> (.*)$/gm)) {
      if (!/^\/proc\/\d+\/fd$/.test(file!)) seen[Number(fd)] = file!;
    }
    expect(seen).toEqual(wanted);
    return seen;
  }

  test('are those of the map, in its order, and no others', () => {
    const file = n.memfdCreate('third');
    expect(seenWith((out) => [devNull, out, out, file, devNull])).toHaveLength(5);
    expect(seenWith((out) => [devNull, out])).toHaveLength(2);
    closeSync(file);
  });

  test.each([
    ['reversed', (index: number, length: number) => length - 1 - index],
    ['rotated', (index: number, length: number) => (index + 1) % length],
    ['swapped in pairs', (index: number) => index ^ 1],
    ['unchanged', (index: number) => index],
    ['all the same', () => 0],
  ])('may overlap their targets: %s', (_, place) => {
    const files = Array.from({ length: 8 }, (_, index) => n.memfdCreate(`file-${index}`)).sort((a, b) => a - b);
    const highest = files.at(-1)!;
    seenWith((out) => {
      // Targets 0..highest cover the numbers of the files themselves; `out` and the pipe of spawn are among them too.
      const map: Fd[] = Array(highest + 20).fill(devNull);
      map[1] = out;
      for (const [index, file] of files.entries()) map[file] = files[place(index, files.length)]!;
      return map;
    });
    for (const file of files) closeSync(file);
  });

  test('that other code has left without close-on-exec are not inherited either', () => {
    // Node as a spawner, since it can give a descriptor of number 40 with a gap below.
    const inner = `
      const n = require('node-gyp-build')('.');
      const { pidfd } = n.spawn({ file: '/bin/ls', argv: ['ls', '-l', '/proc/self/fd'], env: [], cwd: '/', fds: [0, 1, 2],
        parent: 'self', newSession: false });
      n.poll(pidfd, { readable: true, writable: false }, -1);
      console.log('flags', require('fs').readFileSync('/proc/self/fdinfo/40', 'utf8').match(/flags:\\t(\\d+)/)[1]);`;
    const script = `
      const stdio = [0, 1, 2, ...Array(37).fill('ignore'), 'pipe'];
      require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}], { stdio });`;
    const { output } = node(script);
    const cloexec = 0o2000000;
    expect(Number.parseInt(/flags (\d+)/.exec(output)![1]!, 8) & cloexec).toBe(0);
    expect(output).not.toContain('40 ->');
    expect([...output.matchAll(/ (\d+) -> /g)].map(([, fd]) => fd)).toEqual(['0', '1', '2', '3']);
  });
});

describe('what a process starts with', () => {
  test('a session of its own', () => {
    const read = 'cat /proc/$$/stat';
    for (const newSession of [true, false]) {
      const { output, pid } = sh(read, { newSession });
      const [, , group, session] = output
        .slice(output.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number);
      const ours = processStat('self')!;
      expect({ group, session }).toEqual(
        newSession ? { group: pid, session: pid } : { group: ours.group, session: ours.session },
      );
    }
  });

  test('a umask', () => {
    expect(sh('umask', { umask: 0o137 }).output).toBe('0137\n');
    expect(sh('umask', { umask: 0 }).output).toBe('0000\n');
  });

  test('limits, even one below the number of descriptors that are open here', () => {
    const files = Array.from({ length: 30 }, () => n.dup(devNull));
    const rlimits = [
      { resource: 'nofile', soft: 5, hard: 10 },
      { resource: 'core', soft: 0, hard: 0 },
    ];
    const { output } = sh('ulimit -Sn; ulimit -Hn; ulimit -c', { rlimits }, []);
    expect(output).toBe('5\n10\n0\n');
    const stack = n.getRlimit('stack');
    const { output: kept } = sh('ulimit -Hs', { rlimits: [{ resource: 'stack', soft: stack.soft, hard: stack.hard }] });
    expect(kept).toBe(stack.hard === null ? 'unlimited\n' : `${stack.hard / 1024}\n`);
    for (const file of files) closeSync(file);
  });

  test('a niceness', () => {
    const nice = (options: Partial<SpawnOptions>) =>
      Number(sh('cat /proc/self/stat', options).output.split(') ')[1]!.split(' ')[16]);
    expect(nice({ nice: 19 })).toBe(19);
    expect(nice({ nice: 12 })).toBe(12);
  });

  test('cpus', () => {
    const first = Number.parseInt(status('Cpus_allowed_list', {})!, 10);
    expect(status('Cpus_allowed_list', { cpus: [first] })).toBe(String(first));
  });

  test('a badness for the OOM killer', () => {
    expect(sh('cat /proc/self/oom_score_adj', { oomScoreAdjust: 900 }).output).toBe('900\n');
  });

  test('no new privileges', () => {
    expect(status('NoNewPrivs', { noNewPrivileges: true })).toBe('1');
    expect(status('NoNewPrivs', { noNewPrivileges: false })).toBe(status('NoNewPrivs', {}));
  });

  test('a user, a group and further groups', (context) => {
    context.skip(!isRoot, 'only root may become somebody else');
    const options = { uid: 65534, gid: 65533, groups: [65532, 65531] };
    const { output } = sh('grep -E "^(Uid|Gid|Groups|CapEff)" /proc/self/status', options);
    expect(output.replace(/\s+/g, ' ').trim()).toBe(
      'Uid: 65534 65534 65534 65534 Gid: 65533 65533 65533 65533 Groups: 65531 65532 CapEff: 0000000000000000',
    );
    expect(status('Groups', { groups: [] })).toBe('');
    // What needs privileges is done before they are given up: the folder is closed to the new user, and the file in
    // /proc belongs to root once the user has changed.
    const { output: early } = sh('cat /proc/self/oom_score_adj', { ...options, cwd: folder, oomScoreAdjust: 500 });
    expect(early).toBe('500\n');
  });

  test('none of that without the right to it', (context) => {
    context.skip(!isRoot, 'only root may become somebody else');
    const refused = (options: string) => node(failureOf(options), { uid: 65534, gid: 65534, groups: [] }).output;
    expect(refused('{ uid: 0 }')).toBe('EPERM setuid\n');
    expect(refused('{ gid: 0 }')).toBe('EPERM setgid\n');
    expect(refused('{ groups: [0] }')).toBe('EPERM setgroups\n');
    expect(refused('{ nice: -5 }')).toBe('EACCES setpriority\n');
    expect(refused('{ oomScoreAdjust: -500 }')).toBe('EACCES oom_score_adj\n');
  });

  test.each([false, true])('a signal for when its parent dies, with a change of user: %s', (changes) => {
    const [ours, theirs] = n.socketpair('seqpacket');
    const user = changes && isRoot ? 'uid: 65534, gid: 65534,' : '';
    const script = `
      const { pidfd } = n.spawn({ file: '/bin/sleep', argv: ['sleep', '600'], env: [], cwd: '/', fds: [0, 1, 2],
        parent: 'self', newSession: true, deathSignal: 9, ${user} });
      console.log(n.poll(pidfd, { readable: true, writable: false }, 0));
      n.send(3, Buffer.from('x'), { fds: [pidfd] });`;
    expect(node(script, {}, [theirs]).output).toBe('null\n');
    const { fds } = n.receive(ours, 1, 1)!;
    waitForEnd(fds[0]!, 'the process whose parent has died');
    for (const fd of [ours, theirs, ...fds]) closeSync(fd);
  });
});

test('several threads may start processes at the same time', () => {
  const script = `
    const { Worker } = require('worker_threads');
    const work = \`
      const n = require('node-gyp-build')('.');
      for (let round = 0; round < 25; round++) {
        for (const parent of ['self', 'orphan']) {
          const { pidfd } = n.spawn({ file: '/bin/true', argv: ['true'], env: [], cwd: '/', fds: [0, 1, 2], parent,
            newSession: false });
          n.poll(pidfd, { readable: true, writable: false }, -1);
          n.close(pidfd);
        }
      }\`;
    const workers = Array.from({ length: 4 }, () => new Worker(work, { eval: true }));
    Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))))
      .then((codes) => console.log(codes.join()));`;
  expect(node(script).output).toBe('0,0,0,0\n');
}, 30_000);
