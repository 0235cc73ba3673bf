import { closeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Fd, native, type SocketAddress } from '../../src/native.js';
import { expectFailure, expectNoLeak, expectNoLeakOnFailure } from './expectations.js';

const n = native();
const loopback: SocketAddress = { family: 'ipv4', address: '127.0.0.1', port: 0 };
/** BPF_RET of 0. */
const FIRST = [6, 0, 0, 0];

function bind(address: SocketAddress, reusePort: boolean): Fd {
  return n.bind({ type: 'stream', address, reuseAddress: true, reusePort, ipv6Only: false });
}

function withListener(use: (fd: Fd) => void, reusePort = false): void {
  const fd = bind(loopback, reusePort);
  try {
    n.listen(fd, 7);
    use(fd);
  } finally {
    closeSync(fd);
  }
}

test('listenerInfo tells what waits and how the socket is bound', () => {
  withListener((fd) =>
    expect(n.listenerInfo(fd)).toEqual({ waiting: 0, backlog: 7, ipv6Only: false, reusePort: false }),
  );
  withListener((fd) => expect(n.listenerInfo(fd).reusePort).toBe(true), true);
  expectNoLeak(() => withListener((fd) => n.listenerInfo(fd)));
});

test('listenerInfo refuses what does not listen, and what is no TCP socket', () => {
  const fd = bind(loopback, false);
  expectFailure(() => n.listenerInfo(fd), 'EINVAL', 'getsockopt');
  closeSync(fd);
  const [a, b] = n.socketpair('stream');
  expectFailure(() => n.listenerInfo(a), 'EOPNOTSUPP', 'getsockopt');
  closeSync(a);
  closeSync(b);
  expectFailure(() => n.listenerInfo(a), 'EBADF', 'getsockopt');
  expectNoLeakOnFailure(() => n.listenerInfo(a));
});

test('setReusePort lets a second socket in', () => {
  withListener((fd) => {
    const address = n.socketName(fd);
    expectFailure(() => bind(address, true), 'EADDRINUSE', 'bind');
    n.setReusePort(fd, true);
    closeSync(bind(address, true));
    n.setReusePort(fd, false);
    expect(n.listenerInfo(fd).reusePort).toBe(false);
    expectFailure(() => n.setReusePort(1_000_000, true), 'EBADF', 'setsockopt');
    expectNoLeakOnFailure(() => n.setReusePort(1_000_000, true));
  });
});

test('attachReusePortProgram wants a group, and a program that the kernel accepts', () => {
  withListener((fd) => expectFailure(() => n.attachReusePortProgram(fd, FIRST), 'EINVAL', 'setsockopt'));
  withListener((fd) => {
    n.attachReusePortProgram(fd, FIRST);
    expectNoLeak(() => n.attachReusePortProgram(fd, FIRST));
    for (const wrong of [[], [6, 0, 0], [0xffff, 0, 0, 0], Array(4 * 5_000).fill(0)]) {
      expectFailure(() => n.attachReusePortProgram(fd, wrong), 'EINVAL', 'setsockopt');
    }
    expectNoLeakOnFailure(() => n.attachReusePortProgram(fd, [6]));
  }, true);
});
