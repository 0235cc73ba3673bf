/**
 * Every function of the addon, round after round, as it works and as it fails: as many descriptors and as much memory
 * afterwards as before. Plain JavaScript in a process of its own, so that it runs as well under the sanitizers and under
 * valgrind, which see what no count of descriptors shows.
 *
 *   node --expose-gc --max-semi-space-size=1 test/native/rounds.mjs 10000 [FUNCTION...]
 *
 * With a small young generation V8's own growth, tens of megabytes, does not hide what is left behind.
 *
 * Prints one line of JSON a function. A function that the addon exports and that has no row here is a failure.
 */
import { readdirSync, readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const n = createRequire(import.meta.url)('node-gyp-build')(fileURLToPath(new URL('../..', import.meta.url)));

/** What V8 and malloc keep of the first rounds is not counted. */
const WARM_UP = 0.2;
const MAX_HEAP_BYTES = 512 * 1024;
/** Of the process, which malloc does not give back at once. */
const MAX_RSS_BYTES = 24 * 1024 * 1024;
/** A watcher is freed in a turn of the loop. */
const ROUNDS_PER_TURN = 50;

const none = { readable: false, writable: false };
const path = join(tmpdir(), `batond-rounds-${process.pid}.sock`);
const unix = { family: 'unix', path: `\0batond-rounds-${process.pid}` };
const bindOptions = { type: 'stream', address: unix, reuseAddress: false, reusePort: false, ipv6Only: false };
const quick = (parent) => ({
  file: '/bin/true',
  argv: ['true'],
  env: ['A=b'],
  cwd: '/',
  fds: [0, 1, 2],
  parent,
  newSession: true,
});

/** The call throws with this code; with null, a TypeError before anything was tried. */
function refused(code, call) {
  let thrown = null;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  if (thrown === null || (code === null ? !(thrown instanceof TypeError) : thrown.code !== code)) {
    throw new Error(`instead of ${code ?? 'TypeError'}: ${thrown?.stack ?? 'nothing thrown'}`);
  }
}

function withPair(use, type = 'seqpacket') {
  const [a, b] = n.socketpair(type);
  try {
    use(a, b);
  } finally {
    n.close(a);
    n.close(b);
  }
}

function withPipe(use) {
  const [from, to] = n.pipe();
  try {
    use(from, to);
  } finally {
    n.close(from);
    n.close(to);
  }
}

function withFd(fd, use) {
  try {
    use(fd);
  } finally {
    n.close(fd);
  }
}

/** In a group of its own. */
function withTcpListener(use) {
  const address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
  withFd(n.bind({ ...bindOptions, address, reusePort: true }), (fd) => {
    n.listen(fd, 1);
    use(fd);
  });
}

const withPidfd = (use) => withFd(n.pidfdOpen(process.pid), use);

function runToEnd(options, wait) {
  const { pidfd } = n.spawn(options);
  withFd(pidfd, () => {
    n.poll(pidfd, { readable: true, writable: false }, 20_000);
    wait(pidfd);
  });
}

/** Whatever number is free, and nobody's until the call is over. */
const CLOSED = 1_000_000;

const ROWS = {
  socketpair: [() => withPair(() => {}), () => refused(null, () => n.socketpair('raw'))],
  unixSocket: [() => withFd(n.unixSocket('dgram'), () => {}), () => refused(null, () => n.unixSocket(7))],
  bind: [
    () => withFd(n.bind(bindOptions), () => {}),
    () => {
      withFd(n.bind(bindOptions), () => refused('EADDRINUSE', () => n.bind(bindOptions)));
      refused('EADDRNOTAVAIL', () =>
        n.bind({ ...bindOptions, address: { family: 'ipv4', address: '8.8.8.8', port: 0 } }),
      );
      refused(null, () => n.bind({ ...bindOptions, address: null }));
    },
  ],
  listenerInfo: [
    () => withTcpListener((fd) => n.listenerInfo(fd)),
    () => withPair((fd) => refused('EOPNOTSUPP', () => n.listenerInfo(fd))),
  ],
  setReceiveLowWater: [
    () => withTcpListener((fd) => n.setReceiveLowWater(fd, 5)),
    () => refused('EBADF', () => n.setReceiveLowWater(CLOSED, 5)),
  ],
  peek: [
    () =>
      withPair((a, b) => {
        n.peek(a, 100);
        n.send(b, Buffer.from('seen'));
        n.peek(a, 100);
      }),
    () => refused('EBADF', () => n.peek(CLOSED, 100)),
  ],
  setReusePort: [
    () => withTcpListener((fd) => n.setReusePort(fd, false)),
    () => refused('EBADF', () => n.setReusePort(CLOSED, true)),
  ],
  attachReusePortProgram: [
    () => withTcpListener((fd) => n.attachReusePortProgram(fd, [6, 0, 0, 0])),
    () => withTcpListener((fd) => refused('EINVAL', () => n.attachReusePortProgram(fd, [6]))),
  ],
  listen: [
    () => withFd(n.bind(bindOptions), (fd) => n.listen(fd, 1)),
    () => refused('EBADF', () => n.listen(CLOSED, 1)),
  ],
  connectUnix: [
    () =>
      withFd(n.bind(bindOptions), (fd) => {
        n.listen(fd, 1);
        withFd(n.unixSocket('stream'), (client) => n.connectUnix(client, unix.path));
      }),
    () => {
      withFd(n.unixSocket('stream'), (client) => refused('ENOENT', () => n.connectUnix(client, path)));
      withFd(n.unixSocket('stream'), (client) => refused('ENAMETOOLONG', () => n.connectUnix(client, 'x'.repeat(200))));
    },
  ],
  send: [
    () =>
      withPair((a, b) => {
        n.send(a, Buffer.from('message'), { fds: [a, b, b] });
        for (const fd of n.receive(b, 100, 3).fds) n.close(fd);
        n.send(a, Buffer.from('lost with its descriptors'), { fds: Array(253).fill(b) });
      }),
    () => {
      withPair((a) => refused('EBADF', () => n.send(a, Buffer.from('x'), { fds: [CLOSED] })));
      withPair((a) => refused(null, () => n.send(a, 'text')));
      withFd(n.unixSocket('dgram'), (fd) => refused('ENOENT', () => n.send(fd, Buffer.from('x'), { to: path })));
    },
  ],
  receive: [
    () =>
      withPair((a, b) => {
        if (n.receive(b, 10, 1) !== null) throw new Error('something was there');
        n.setPassCredentials(b, true);
        n.send(a, Buffer.from('longer than that'), { fds: [a, b, a] });
        const { fds, credentials } = n.receive(b, 4, 1);
        if (credentials.pid !== process.pid) throw new Error('of another process');
        for (const fd of fds) n.close(fd);
      }),
    () => {
      refused('EBADF', () => n.receive(CLOSED, 10, 1));
      withPair((a) => refused(null, () => n.receive(a, -1, 0)));
    },
  ],
  poll: [
    () => withPair((a) => n.poll(a, { readable: true, writable: true }, 0)),
    () => refused('EBADF', () => n.poll(CLOSED, none, 0)),
  ],
  socketName: [
    () => withFd(n.bind(bindOptions), n.socketName),
    () => withFd(n.memfdCreate('m'), (fd) => refused('ENOTSOCK', () => n.socketName(fd))),
  ],
  socketInfo: [
    () => withPair(n.socketInfo),
    () => withFd(n.memfdCreate('m'), (fd) => refused('ENOTSOCK', () => n.socketInfo(fd))),
  ],
  peerCredentials: [() => withPair(n.peerCredentials), () => refused('EBADF', () => n.peerCredentials(CLOSED))],
  setPassCredentials: [
    () => withPair((a) => n.setPassCredentials(a, true)),
    () => refused('EBADF', () => n.setPassCredentials(CLOSED, true)),
  ],
  peerGroups: [() => withPair(n.peerGroups), () => refused('EBADF', () => n.peerGroups(CLOSED))],
  userByName: [() => n.userByName('root'), () => n.userByName('nobody-at-all')],
  groupByName: [() => n.groupByName('root'), () => refused(null, () => n.groupByName(7))],
  userName: [() => n.userName(0), () => n.userName(4_000_000_000)],
  sameFile: [() => withPair(n.sameFile), () => refused('EBADF', () => n.sameFile(0, CLOSED))],
  epollCreate: [() => withFd(n.epollCreate(), () => {}), () => {}],
  epollAdd: [
    () => withFd(n.epollCreate(), (epoll) => withPair((a) => n.epollAdd(epoll, a))),
    () => withFd(n.epollCreate(), (epoll) => refused('EBADF', () => n.epollAdd(epoll, CLOSED))),
  ],
  epollRemove: [
    () =>
      withFd(n.epollCreate(), (epoll) =>
        withPair((a) => {
          n.epollAdd(epoll, a);
          n.epollRemove(epoll, a);
        }),
      ),
    () => withFd(n.epollCreate(), (epoll) => withPair((a) => refused('ENOENT', () => n.epollRemove(epoll, a)))),
  ],
  epollAddArrivals: [
    () => withFd(n.epollCreate(), (epoll) => withPipe((from) => n.epollAddArrivals(epoll, from))),
    () => withFd(n.epollCreate(), (epoll) => refused('EBADF', () => n.epollAddArrivals(epoll, CLOSED))),
  ],
  pipe: [() => withPipe(() => {}), () => {}],
  tee: [
    () =>
      withPipe((from, to) =>
        withPipe((scratch, into) => {
          writeSync(to, 'seen');
          n.tee(from, into, 100);
          readSync(scratch, Buffer.alloc(4));
          n.tee(from, into, 2);
        }),
      ),
    () => withPair((a, b) => refused('EINVAL', () => n.tee(a, b, 100))),
  ],
  pipeSize: [() => withPipe((from) => n.pipeSize(from)), () => withPair((a) => refused('EBADF', () => n.pipeSize(a)))],
  setPipeSize: [
    () => withPipe((from) => n.setPipeSize(from, 4096)),
    () => withPair((a) => refused('EBADF', () => n.setPipeSize(a, 4096))),
  ],
  epollWait: [
    () => withFd(n.epollCreate(), (epoll) => n.epollWait(epoll)),
    () => refused('EBADF', () => n.epollWait(CLOSED)),
  ],
  dup: [() => withFd(n.dup(0), () => {}), () => refused('EBADF', () => n.dup(CLOSED))],
  close: [() => n.close(n.dup(0)), () => refused('EBADF', () => n.close(CLOSED))],
  spawn: [
    () => {
      runToEnd(quick('self'), n.pidfdWait);
      runToEnd(
        { ...quick('orphan'), umask: 0o22, nice: 0, rlimits: [{ resource: 'core', soft: 0, hard: 0 }] },
        () => {},
      );
      while (n.waitAny() !== null);
    },
    () => {
      refused('ENOENT', () => n.spawn({ ...quick('self'), file: '/nowhere' }));
      refused('ENOENT', () => n.spawn({ ...quick('orphan'), cwd: '/nowhere' }));
      refused('EBADF', () => n.spawn({ ...quick('self'), fds: [0, 1, CLOSED] }));
      refused(null, () => n.spawn({ ...quick('self'), argv: [7] }));
      while (n.waitAny() !== null);
    },
  ],
  pidfdOpen: [() => withPidfd(() => {}), () => refused('EINVAL', () => n.pidfdOpen(-1))],
  pidfdSignal: [
    () => withPidfd((fd) => n.pidfdSignal(fd, 0)),
    () => withPidfd((fd) => refused('EINVAL', () => n.pidfdSignal(fd, 1000))),
  ],
  pidfdWait: [
    () => runToEnd(quick('self'), n.pidfdWait),
    () => withPidfd((fd) => refused('ECHILD', () => n.pidfdWait(fd))),
  ],
  pidfdInfo: [() => withPidfd(n.pidfdInfo), () => refused('EBADF', () => n.pidfdInfo(CLOSED))],
  waitAny: [() => runToEnd(quick('self'), () => n.waitAny()), () => n.waitAny()],
  setsid: [
    () => {
      try {
        n.setsid();
      } catch (error) {
        if (error.code !== 'EPERM') throw error;
      }
    },
    () => refused('EPERM', () => n.setsid()),
  ],
  setProcessName: [() => n.setProcessName('rounds'), () => refused(null, () => n.setProcessName(7))],
  setSubreaper: [() => n.setSubreaper(true), () => refused(null, () => n.setSubreaper(1))],
  setDeathSignal: [() => n.setDeathSignal(0), () => refused('EINVAL', () => n.setDeathSignal(1000))],
  setNoNewPrivileges: [() => n.setNoNewPrivileges(), () => {}],
  getRlimit: [() => n.getRlimit('nofile'), () => refused('EINVAL', () => n.getRlimit('wishes'))],
  lockFile: [() => withFd(n.memfdCreate('m'), n.lockFile), () => refused('EBADF', () => n.lockFile(CLOSED))],
  memfdCreate: [
    () => withFd(n.memfdCreate('m'), () => {}),
    () => refused('EINVAL', () => n.memfdCreate('x'.repeat(300))),
  ],
  memfdSeal: [() => withFd(n.memfdCreate('m'), n.memfdSeal), () => refused('EINVAL', () => withPair(n.memfdSeal))],
  memfdIsSealed: [
    () =>
      withFd(n.memfdCreate('m'), (fd) => {
        n.memfdSeal(fd);
        n.memfdIsSealed(fd);
      }),
    () => refused('EBADF', () => n.memfdIsSealed(CLOSED)),
  ],
  watch: [
    () =>
      withPair((a, b) => {
        const watcher = n.watch(a, { readable: true, writable: true }, () => {});
        watcher.update({ readable: true, writable: false });
        watcher.unref();
        watcher.ref();
        n.send(b, Buffer.from('x'));
        watcher.close();
        watcher.close();
        watcher.update(none);
      }),
    () => {
      withPair((a) => {
        const readable = { readable: true, writable: false };
        const watcher = n.watch(a, readable, () => {});
        refused('EEXIST', () => n.watch(a, readable, () => {}));
        watcher.close();
      });
      refused('EBADF', () => n.watch(CLOSED, none, () => {}));
      withPair((a) => refused(null, () => n.watch(a, none, null)));
    },
  ],
};

const [rounds = '1000', ...chosen] = process.argv.slice(2);
const missing = Object.keys(n).filter((name) => !Object.hasOwn(ROWS, name));
if (missing.length > 0) {
  console.error(`rounds: no row for ${missing.join(', ')}`);
  process.exit(1);
}
// Orphans become children of this process, which reaps them.
n.setSubreaper(true);
let failed = false;
for (const [name, calls] of Object.entries(ROWS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  for (const [index, call] of calls.entries()) failed = !(await measure(name, index, call)) || failed;
}
process.exit(failed ? 1 : 0);

async function measure(name, index, call) {
  const path = index === 0 ? 'works' : 'fails';
  try {
    await repeat(call, Math.ceil(Number(rounds) * WARM_UP));
    const before = look();
    const begun = performance.now();
    await repeat(call, Number(rounds));
    const seconds = (performance.now() - begun) / 1_000;
    const after = look();
    const growth = Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));
    const ok = growth.fds === 0 && growth.heapBytes < MAX_HEAP_BYTES && growth.rssBytes < MAX_RSS_BYTES;
    console.log(JSON.stringify({ name, path, rounds: Number(rounds), seconds, ...growth, ok }));
    return ok;
  } catch (error) {
    console.log(JSON.stringify({ name, path, error: error.stack, ok: false }));
    return false;
  }
}

async function repeat(call, times) {
  for (let round = 0; round < times; round++) {
    call();
    if (round % ROUNDS_PER_TURN === ROUNDS_PER_TURN - 1) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setImmediate(resolve));
}

function look() {
  global.gc?.();
  global.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { fds: readdirSync('/proc/self/fd').length, heapBytes: heapUsed + external, rssBytes: rss };
}
