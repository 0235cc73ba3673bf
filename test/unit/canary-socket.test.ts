/** What the kernel makes of the program that shares connections out: measured on real sockets. */
import { once } from 'node:events';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { openBeside, setShare, shareProgram } from '../../src/inventory/canary-socket.js';
import { type Fd, native, type SocketAddress } from '../../src/native.js';

const open: Fd[] = [];
afterEach(() => {
  for (const fd of open.splice(0)) native().close(fd);
});

function listenOn(host: string, reusePort = false): Fd {
  const address: SocketAddress = { family: net.isIPv6(host) ? 'ipv6' : 'ipv4', address: host, port: 0 };
  const fd = native().bind({ type: 'stream', address, reuseAddress: true, reusePort, ipv6Only: false });
  open.push(fd);
  native().listen(fd, 200);
  return fd;
}

function besideOf(fd: Fd): Fd {
  const beside = openBeside(fd);
  open.push(beside);
  return beside;
}

function portOf(fd: Fd): number {
  const name = native().socketName(fd);
  return name.family === 'unix' ? 0 : name.port;
}

/** Servers on both, each telling who it is; both own their descriptors. */
async function serve(first: Fd, second: Fd): Promise<AsyncDisposable> {
  const servers = [first, second].map((fd, index) => {
    const server = net.createServer((socket) => socket.end(String(index)));
    server.listen({ fd });
    return server;
  });
  open.splice(0);
  await Promise.all(servers.map((server) => once(server, 'listening')));
  return {
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.close();
      await Promise.all(servers.map((server) => once(server, 'close')));
    },
  };
}

/** Which of the two a new connection went to. */
async function ask(port: number, host: string): Promise<number> {
  const socket = net.connect(port, host);
  let said = '';
  socket.on('data', (data) => {
    said += data;
  });
  await once(socket, 'close');
  return Number(said);
}

describe('a share of new connections', () => {
  const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
  const kinds: [string, string, string][] = [
    ['IPv4', '127.0.0.1', '127.0.0.1'],
    ...(hasIpv6
      ? ([
          ['both families, asked by IPv4', '::', '127.0.0.1'],
          ['both families, asked by IPv6', '::', '::1'],
        ] as [string, string, string][])
      : []),
  ];

  test.each(kinds)('is nothing at first, all of them, or as many as it says: %s', async (_, host, target) => {
    const first = listenOn(host);
    const second = besideOf(first);
    const port = portOf(first);
    await using _serving = await serve(first, second);
    const taken = async (count: number) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += await ask(port, target);
      return sum;
    };
    expect(await taken(50)).toBe(0);
    setShare(first, 1_000);
    expect(await taken(50)).toBe(50);
    // By way of either socket, and in the middle of connections.
    let [expected, variance, sum] = [0, 0, 0];
    for (let change = 0; change < 50; change++) {
      const share = [1, 100, 250, 900][change % 4]!;
      setShare(change % 2 === 0 ? first : second, share);
      expected += (20 * share) / 1_000;
      variance += (20 * share * (1_000 - share)) / 1_000_000;
      sum += (await Promise.all(Array.from({ length: 20 }, () => ask(port, target)))).reduce((a, b) => a + b, 0);
    }
    expect(Math.abs(sum - expected) / Math.sqrt(variance)).toBeLessThan(4);
    setShare(first, 0);
    expect(await taken(50)).toBe(0);
  });

  test('leaves what waits where it waits', async () => {
    const first = listenOn('127.0.0.1');
    const second = besideOf(first);
    setShare(first, 1_000);
    const clients = Array.from({ length: 5 }, () => net.connect(portOf(first), '127.0.0.1'));
    await Promise.all(clients.map((client) => once(client, 'connect')));
    setShare(first, 0);
    expect([first, second].map((fd) => native().listenerInfo(fd))).toMatchObject([
      { waiting: 0, backlog: 200 },
      { waiting: 5, backlog: 200 },
    ]);
    for (const client of clients) client.destroy();
  });

  test('has a program whose bounds are those of the random numbers', () => {
    expect(shareProgram(1)[7]).toBe(4_294_967);
    expect(shareProgram(999)[7]).toBe(4_290_672_329);
    expect(shareProgram(0)).not.toEqual(shareProgram(1_000));
  });
});

describe('a second socket', () => {
  test('is refused where others share the port, and for what is no TCP listener', () => {
    const shared = listenOn('127.0.0.1', true);
    expect(() => openBeside(shared)).toThrow('other sockets may share its port');
    const unix = native().bind({
      type: 'stream',
      address: { family: 'unix', path: `\0batond-canary-${process.pid}` },
      reuseAddress: false,
      reusePort: false,
      ipv6Only: false,
    });
    open.push(unix);
    native().listen(unix, 1);
    expect(() => openBeside(unix)).toThrow(/not supported/);
  });

  test('that cannot be bound leaves the listener as it was', () => {
    const first = listenOn('127.0.0.1');
    const real = native().bind;
    native().bind = () => {
      throw Object.assign(new Error('bind: address already in use'), { code: 'EADDRINUSE' });
    };
    try {
      expect(() => openBeside(first)).toThrow('another user has bound it');
    } finally {
      native().bind = real;
    }
    expect(native().listenerInfo(first).reusePort).toBe(false);
    expect(native().listenerInfo(besideOf(first)).reusePort).toBe(true);
  });
});
