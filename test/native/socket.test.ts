import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type BindOptions, type Fd, native, type SocketAddress, type SocketType } from '../../src/native.js';
import { expectFailure, expectNoLeak, expectNoLeakOnFailure } from './expectations.js';

const n = native();
const folder = mkdtempSync(join(tmpdir(), 'batond-socket-'));
afterAll(() => rmSync(folder, { recursive: true }));

let names = 0;
const freshPath = () => join(folder, `${names++}.sock`);
const freshAbstract = () => `\0batond-test-${process.pid}-${names++}`;
const unix = (path: string): SocketAddress => ({ family: 'unix', path });
const loopback4: SocketAddress = { family: 'ipv4', address: '127.0.0.1', port: 0 };
const loopback6: SocketAddress = { family: 'ipv6', address: '::1', port: 0 };
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));

function bind(address: SocketAddress, options: Partial<BindOptions> = {}): Fd {
  return n.bind({ type: 'stream', address, reuseAddress: false, reusePort: false, ipv6Only: false, ...options });
}

/** Gives the descriptors to `use` and closes them whatever happens. */
function using<T>(fds: Fd | Fd[], use: (...fds: Fd[]) => T): T {
  const all = [fds].flat();
  try {
    return use(...all);
  } finally {
    for (const fd of all) closeSync(fd);
  }
}

describe('bind', () => {
  const kinds: [string, () => SocketAddress][] = [
    ['ipv4', () => loopback4],
    ['a Unix path', () => unix(freshPath())],
    ['an abstract Unix name', () => unix(freshAbstract())],
    ...(hasIpv6 ? [['ipv6', () => loopback6] as [string, () => SocketAddress]] : []),
  ];
  for (const [kind, address] of kinds) {
    for (const type of ['stream', 'dgram'] as SocketType[]) {
      test(`binds a ${type} socket to ${kind}, and tells its name and kind`, () => {
        const wanted = address();
        using(bind(wanted, { type }), (fd) => {
          const name = n.socketName(fd);
          expect(name).toEqual(wanted.family === 'unix' ? wanted : { ...wanted, port: expect.any(Number) });
          if ('port' in name) expect(name.port).toBeGreaterThan(0);
          expect(n.socketInfo(fd)).toEqual({ family: wanted.family, type, listening: false });
        });
      });
    }
  }

  test('makes a file for a Unix path and none for an abstract name', () => {
    const path = freshPath();
    using(bind(unix(path)), () => expect(existsSync(path)).toBe(true));
  });

  test('takes a path of 107 bytes and an abstract name of 108, and refuses what is longer', () => {
    const path = join(folder, 'x'.repeat(107 - folder.length - 1));
    using(bind(unix(path)), (fd) => expect(n.socketName(fd)).toEqual(unix(path)));
    const name = freshAbstract().padEnd(108, 'x');
    using(bind(unix(name)), (fd) => expect(n.socketName(fd)).toEqual(unix(name)));
    expectFailure(() => bind(unix(`${path}x`)), 'ENAMETOOLONG', 'bind');
    expectFailure(() => bind(unix(`${name}x`)), 'ENAMETOOLONG', 'bind');
  });

  test('refuses a path with a NUL inside, which the kernel would cut there', () => {
    expectFailure(() => bind(unix(`${freshPath()}\0x`)), 'EINVAL', 'bind');
  });

  test('an address that is taken is EADDRINUSE', () => {
    using(bind(loopback4), (fd) => {
      n.listen(fd, 1);
      const taken = n.socketName(fd);
      expectFailure(() => bind(taken), 'EADDRINUSE', 'bind');
      expectNoLeakOnFailure(() => bind(taken));
    });
    const path = freshPath();
    using(bind(unix(path)), () => expectFailure(() => bind(unix(path)), 'EADDRINUSE', 'bind'));
  });

  test('reusePort lets several sockets have one address', () => {
    using(bind(loopback4, { reusePort: true }), (fd) => {
      using(bind(n.socketName(fd), { reusePort: true }), (other) => {
        n.listen(fd, 1);
        n.listen(other, 1);
      });
    });
  });

  test.skipIf(!hasIpv6)('ipv6Only decides whether ipv4 may have the same port', () => {
    const any = { family: 'ipv6', address: '::', port: 0 } as const;
    const ipv4Takes = (port: number) =>
      using(bind({ family: 'ipv4', address: '0.0.0.0', port }), (fd) => n.listen(fd, 1));
    // The kernel chose a port that is free for IPv6; a connection of another program may have it for IPv4. Such a port
    // proves nothing, so the next one is asked for: one of several must work.
    const ports = Array.from({ length: 8 }, () =>
      using(bind(any, { ipv6Only: true }), (fd) => {
        n.listen(fd, 1);
        try {
          ipv4Takes((n.socketName(fd) as { port: number }).port);
          return 'shared';
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      }),
    );
    expect(ports).toContain('shared');
    using(bind(any, { ipv6Only: false }), (fd) => {
      n.listen(fd, 1);
      const { port } = n.socketName(fd) as { port: number };
      expectFailure(() => ipv4Takes(port), 'EADDRINUSE', 'bind');
    });
  });

  test('an address that is none of this machine is EADDRNOTAVAIL, nonsense is EINVAL', () => {
    expectFailure(() => bind({ family: 'ipv4', address: '192.0.2.1', port: 0 }), 'EADDRNOTAVAIL', 'bind');
    expectFailure(() => bind({ family: 'ipv4', address: 'localhost', port: 0 }), 'EINVAL', 'bind');
    expectFailure(() => bind({ family: 'ipv4', address: '127.0.0.1', port: 65536 }), 'EINVAL', 'bind');
    expectFailure(() => bind({ family: 'ipv6', address: '::1', port: 70000 }), 'EINVAL', 'bind');
    expectFailure(() => bind({ family: 'ipv6', address: 'fe80::1%nosuchzone', port: 0 }), 'ENODEV', 'bind');
  });

  test('wrong types are a TypeError', () => {
    const call = n.bind as (options: unknown) => number;
    const good = { type: 'stream', address: loopback4, reuseAddress: false, reusePort: false, ipv6Only: false };
    expect(() => call(undefined)).toThrow(TypeError);
    expect(() => call({ ...good, type: 'raw' })).toThrow(TypeError);
    expect(() => call({ ...good, reusePort: 1 })).toThrow(TypeError);
    expect(() => call({ ...good, address: { ...loopback4, port: 1.5 } })).toThrow(TypeError);
    expect(() => call({ ...good, address: { family: 'ax25' } })).toThrow(TypeError);
  });

  test('1,000 rounds leave no descriptor', () => {
    expectNoLeak(() => closeSync(bind(loopback4)));
  });
});

describe('listen', () => {
  test('makes a listening socket, and may be called again', () => {
    using(bind(unix(freshPath())), (fd) => {
      n.listen(fd, 1);
      n.listen(fd, 5);
      expect(n.socketInfo(fd).listening).toBe(true);
    });
  });

  test('is EOPNOTSUPP for a datagram socket', () => {
    using(bind(unix(freshPath()), { type: 'dgram' }), (fd) =>
      expectFailure(() => n.listen(fd, 1), 'EOPNOTSUPP', 'listen'),
    );
  });
});

describe('socketpair and unixSocket', () => {
  test.each(['stream', 'dgram', 'seqpacket'] as SocketType[])('make %s sockets that never block', (type) => {
    using(n.socketpair(type), (one, two) => {
      expect(n.socketInfo(one!)).toEqual({ family: 'unix', type, listening: false });
      expect(n.socketName(two!)).toEqual(unix(''));
      expect(n.receive(two!, 1, 0)).toBeNull();
    });
    using(n.unixSocket(type), (fd) => expect(n.socketInfo(fd)).toEqual({ family: 'unix', type, listening: false }));
  });

  test('1,000 rounds leave no descriptor', () => {
    expectNoLeak(() => {
      for (const fd of [...n.socketpair('stream'), n.unixSocket('dgram')]) closeSync(fd);
    });
  });

  test('another type is a TypeError', () => {
    expect(() => n.socketpair('raw' as SocketType)).toThrow(TypeError);
    expect(() => n.unixSocket('raw' as SocketType)).toThrow(TypeError);
  });
});

describe('connectUnix', () => {
  test.each([
    ['a path', freshPath],
    ['an abstract name', freshAbstract],
  ])('reaches a listener by %s', (_, name) => {
    const path = name();
    using([bind(unix(path)), n.unixSocket('stream')], (listener, client) => {
      n.listen(listener!, 5);
      n.connectUnix(client!, path);
      expect(n.peerCredentials(client!).pid).toBe(process.pid);
    });
  });

  test('a full backlog is EAGAIN, as this socket does not wait', () => {
    const path = freshPath();
    using([bind(unix(path)), n.unixSocket('stream'), n.unixSocket('stream')], (listener, first, second) => {
      n.listen(listener!, 0);
      n.connectUnix(first!, path);
      expectFailure(() => n.connectUnix(second!, path), 'EAGAIN', 'connect');
    });
  });

  test('nobody there is ENOENT, nobody listening ECONNREFUSED, another type EPROTOTYPE', () => {
    const path = freshPath();
    using([n.unixSocket('stream'), n.unixSocket('dgram')], (stream, dgram) => {
      expectFailure(() => n.connectUnix(stream!, path), 'ENOENT', 'connect');
      expectFailure(() => n.connectUnix(stream!, 'x'.repeat(108)), 'ENAMETOOLONG', 'connect');
      using(bind(unix(path)), () => {
        expectFailure(() => n.connectUnix(stream!, path), 'ECONNREFUSED', 'connect');
        expectFailure(() => n.connectUnix(dgram!, path), 'EPROTOTYPE', 'connect');
      });
    });
  });
});

describe('questions about a socket', () => {
  test('peerCredentials are those of the process that made the pair', () => {
    using(n.socketpair('stream'), (one) => {
      expect(n.peerCredentials(one!)).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });
    });
  });

  test('peerGroups are the supplementary groups of the process that made the pair', () => {
    const { groups } = /^Groups:\t(?<groups>.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))!.groups!;
    const own = groups!.trim() === '' ? [] : groups!.trim().split(' ').map(Number);
    using(n.socketpair('stream'), (one) => expect(n.peerGroups(one!)).toEqual(own));
  });

  test.runIf(process.getuid!() === 0)('peerGroups of somebody with many groups are all there', () => {
    const groups = Array.from({ length: 100 }, (_, index) => 70_000 + index);
    const before = process.getgroups!();
    process.setgroups!(groups);
    try {
      using(n.socketpair('stream'), (one) => expect(n.peerGroups(one!)).toEqual(groups));
    } finally {
      process.setgroups!(before);
    }
  });

  test('a file is ENOTSOCK and a closed descriptor EBADF', () => {
    using(openSync('/dev/null', 'r'), (fd) => {
      expectFailure(() => n.socketInfo(fd), 'ENOTSOCK', 'getsockopt');
      expectFailure(() => n.socketName(fd), 'ENOTSOCK', 'getsockname');
      expectFailure(() => n.peerCredentials(fd), 'ENOTSOCK', 'getsockopt');
      expectFailure(() => n.peerGroups(fd), 'ENOTSOCK', 'getsockopt');
      expectFailure(() => n.setPassCredentials(fd, true), 'ENOTSOCK', 'setsockopt');
    });
    expectFailure(() => n.socketInfo(-1), 'EBADF', 'getsockopt');
    expectFailure(() => n.listen(-1, 1), 'EBADF', 'listen');
  });

  test('1,000 rounds leave no descriptor', () => {
    using(n.socketpair('stream'), (one) => {
      expectNoLeak(() => {
        n.socketInfo(one!);
        n.socketName(one!);
        n.peerCredentials(one!);
        n.peerGroups(one!);
        n.setPassCredentials(one!, true);
      });
    });
  });
});
