import { once } from 'node:events';
import { closeSync, fstatSync, openSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fd, native, type Received, type SocketType } from '../../src/native.js';
import { expectFailure, expectNoLeak, expectNoLeakOnFailure, openFds } from './expectations.js';
import { node } from './programs.js';

const n = native();
const text = (received: Received | null) => received?.data.toString();
const bytes = (value: string) => Buffer.from(value);

let open: Fd[] = [];
let devNull: Fd;
beforeEach(() => {
  devNull = openSync('/dev/null', 'r');
  open = [devNull];
});
afterEach(() => {
  for (const fd of open) closeSync(fd);
});

function pair(type: SocketType): [Fd, Fd] {
  const ends = n.socketpair(type);
  open.push(...ends);
  return ends;
}

describe('bytes', () => {
  test('what is sent is received, and nothing there is null', () => {
    const [one, two] = pair('seqpacket');
    expect(n.send(one, bytes('hello'))).toBe(5);
    expect(n.receive(two, 100, 0)).toEqual({
      data: bytes('hello'),
      fds: [],
      credentials: null,
      truncated: false,
      fdsTruncated: false,
    });
    expect(n.receive(two, 100, 0)).toBeNull();
  });

  test('a view sends only its own part', () => {
    const [one, two] = pair('stream');
    n.send(one, new Uint8Array(bytes('abcdef').buffer, bytes('abcdef').byteOffset, 0));
    n.send(one, bytes('abcdef').subarray(2, 4));
    expect(text(n.receive(two, 100, 0))).toBe('cd');
  });

  test('a message that is too long is cut and says so; a stream goes on', () => {
    const [one, two] = pair('seqpacket');
    n.send(one, bytes('abcdef'));
    expect(n.receive(two, 4, 0)).toMatchObject({ data: bytes('abcd'), truncated: true });
    expect(n.receive(two, 4, 0)).toBeNull();
    const [three, four] = pair('stream');
    n.send(three, bytes('abcdef'));
    expect(n.receive(four, 4, 0)).toMatchObject({ data: bytes('abcd'), truncated: false });
    expect(text(n.receive(four, 4, 0))).toBe('ef');
  });

  test('a full socket is null, and a stream takes what fits', () => {
    const [one] = pair('stream');
    const much = Buffer.alloc(8 << 20);
    expect(n.send(one, much)).toBeLessThan(much.length);
    expect(n.send(one, much)).toBeNull();
  });

  test('the end is empty, and sending to nobody is EPIPE without a signal', () => {
    const [one, two] = n.socketpair('stream');
    closeSync(two);
    expect(n.receive(one, 10, 0)).toMatchObject({ data: Buffer.alloc(0) });
    expectFailure(() => n.send(one, bytes('x')), 'EPIPE', 'sendmsg');
    closeSync(one);
  });

  test('no socket is ENOTSOCK, wrong types are a TypeError', () => {
    const [one] = pair('stream');
    expectFailure(() => n.send(devNull, bytes('x')), 'ENOTSOCK', 'sendmsg');
    expectFailure(() => n.receive(devNull, 1, 0), 'ENOTSOCK', 'recvmsg');
    const call = n.send as (...args: unknown[]) => unknown;
    expect(() => call(one, 'text')).toThrow(TypeError);
    expect(() => call(one, new Uint16Array(1))).toThrow(TypeError);
    expect(() => call(one, bytes('x'), { fds: ['1'] })).toThrow(TypeError);
    expect(() => call(one, bytes('x'), { fds: [1.5] })).toThrow(TypeError);
    expect(() => call(one, bytes('x'), { to: 1 })).toThrow(TypeError);
    expect(() => n.receive(one, -1, 0)).toThrow(TypeError);
  });
});

describe('datagrams by name', () => {
  const path = join(tmpdir(), `batond-dgram-${process.pid}.sock`);
  afterEach(() => rmSync(path, { force: true }));

  test.each([
    ['a path', path],
    ['an abstract name', `\0batond-dgram-${process.pid}`],
  ])('reach %s', (_, to) => {
    const receiver = n.bind({
      type: 'dgram',
      address: { family: 'unix', path: to },
      reuseAddress: false,
      reusePort: false,
      ipv6Only: false,
    });
    const sender = n.unixSocket('dgram');
    open.push(receiver, sender);
    expect(n.send(sender, bytes('READY=1'), { to })).toBe(7);
    expect(text(n.receive(receiver, 100, 0))).toBe('READY=1');
    expect(n.send(sender, bytes(''), { to, fds: [devNull] })).toBe(0);
    const received = n.receive(receiver, 100, 1)!;
    open.push(...received.fds);
    expect(received).toMatchObject({ data: Buffer.alloc(0), fds: [expect.any(Number)] });
  });

  test('nobody there is ENOENT or ECONNREFUSED, a long name ENAMETOOLONG', () => {
    const sender = n.unixSocket('dgram');
    open.push(sender);
    expectFailure(() => n.send(sender, bytes('x'), { to: path }), 'ENOENT', 'sendmsg');
    expectFailure(() => n.send(sender, bytes('x'), { to: '\0batond-nobody' }), 'ECONNREFUSED', 'sendmsg');
    expectFailure(() => n.send(sender, bytes('x'), { to: 'x'.repeat(108) }), 'ENAMETOOLONG', 'sendmsg');
    expectFailure(() => n.send(sender, bytes('x'), { to: `\0${'x'.repeat(108)}` }), 'ENAMETOOLONG', 'sendmsg');
  });
});

describe('descriptors', () => {
  test('arrive as the same files, close-on-exec, and stay open here', () => {
    const [one, two] = pair('seqpacket');
    const file = n.memfdCreate('passed');
    open.push(file);
    n.send(one, bytes('x'), { fds: [file, devNull] });
    const { fds, fdsTruncated } = n.receive(two, 10, 10)!;
    open.push(...fds);
    expect(fdsTruncated).toBe(false);
    expect(fds.map((fd) => fstatSync(fd).ino)).toEqual([file, devNull].map((fd) => fstatSync(fd).ino));
  });

  test('253 go in one message, 254 are EINVAL', () => {
    const [one, two] = pair('seqpacket');
    const before = openFds();
    expectFailure(() => n.send(one, bytes('x'), { fds: Array(254).fill(devNull) }), 'EINVAL', 'sendmsg');
    n.send(one, bytes('x'), { fds: Array(253).fill(devNull) });
    const { fds, fdsTruncated } = n.receive(two, 10, 253)!;
    expect(new Set(fds).size).toBe(253);
    expect(fdsTruncated).toBe(false);
    for (const fd of fds) closeSync(fd);
    expect(openFds()).toBe(before);
  });

  test.each([0, 1, 2, 9])('of ten, %i are taken where no more are asked for, and the rest is closed', (maxFds) => {
    for (const passCredentials of [false, true]) {
      const [one, two] = pair('seqpacket');
      n.setPassCredentials(two, passCredentials);
      const before = openFds();
      n.send(one, bytes('x'), { fds: Array(10).fill(devNull) });
      const { fds, fdsTruncated } = n.receive(two, 10, maxFds)!;
      expect(fds).toHaveLength(maxFds);
      expect(fdsTruncated).toBe(true);
      for (const fd of fds) closeSync(fd);
      expect(openFds()).toBe(before);
    }
  });

  test('over RLIMIT_NOFILE the excess is lost, and that is said', () => {
    const [one, two] = pair('seqpacket');
    n.send(one, bytes('x'), { fds: Array(100).fill(devNull) });
    const script = `
      const { fds, fdsTruncated } = n.receive(3, 10, 253);
      const free = (() => { try { return n.dup(0); } catch (error) { return error.code; } })();
      n.close(fds[0]);
      console.log(JSON.stringify({ some: fds.length > 0 && fds.length < 100, fdsTruncated, free }));`;
    const outcome = node(script, { rlimits: [{ resource: 'nofile', soft: 80, hard: 80 }] }, [two]);
    expect(JSON.parse(outcome.output)).toEqual({ some: true, fdsTruncated: true, free: 'EMFILE' });
  });

  test('a closed one is EBADF, and nothing is sent', () => {
    const [one, two] = pair('seqpacket');
    expectFailure(() => n.send(one, bytes('x'), { fds: [devNull, -1] }), 'EBADF', 'sendmsg');
    expect(n.receive(two, 1, 1)).toBeNull();
  });

  test('1,000 rounds leave no descriptor, failing or not', () => {
    const [one, two] = pair('seqpacket');
    expectNoLeak(() => {
      n.send(one, bytes('x'), { fds: [devNull, devNull, devNull] });
      for (const fd of n.receive(two, 1, 3)!.fds) closeSync(fd);
    });
    expectNoLeak(() => {
      n.send(one, bytes('x'), { fds: [devNull, devNull, devNull] });
      n.receive(two, 1, 0);
    });
    expectNoLeakOnFailure(() => n.send(one, bytes('x'), { fds: [devNull, -1] }));
    expectNoLeakOnFailure(() => n.receive(devNull, 1, 1));
  });
});

describe('credentials', () => {
  test('are told after setPassCredentials, and no longer once it is off', () => {
    const [one, two] = pair('dgram');
    n.setPassCredentials(two, true);
    n.send(one, bytes('x'), { fds: [devNull] });
    const received = n.receive(two, 10, 1)!;
    open.push(...received.fds);
    expect(received.credentials).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });
    expect(received.fds).toHaveLength(1);
    n.setPassCredentials(two, false);
    n.send(one, bytes('x'));
    expect(n.receive(two, 10, 0)!.credentials).toBeNull();
  });

  test('are those of the sender, not of who made the socket', () => {
    const [one, two] = pair('seqpacket');
    n.setPassCredentials(two, true);
    const { pid } = node(`n.send(3, Buffer.from('x'));`, {}, [one]);
    expect(n.receive(two, 10, 0)!.credentials!.pid).toBe(pid);
  });
});

describe('poll', () => {
  const both = { readable: true, writable: true };
  const read = { readable: true, writable: false };

  test('tells what is ready, and null when the time has passed', () => {
    const [one, two] = pair('stream');
    expect(n.poll(one, read, 0)).toBeNull();
    expect(n.poll(one, read, 5)).toBeNull();
    expect(n.poll(one, both, -1)).toEqual({ readable: false, writable: true, hangup: false });
    n.send(two, bytes('x'));
    expect(n.poll(one, both, 1000)).toEqual({ readable: true, writable: true, hangup: false });
  });

  test('tells a hangup even where nothing is asked for', () => {
    const [one, two] = n.socketpair('stream');
    closeSync(two);
    expect(n.poll(one, { readable: false, writable: false }, -1)).toMatchObject({ hangup: true });
    closeSync(one);
  });

  test('a closed descriptor is EBADF', () => {
    expectFailure(() => n.poll(-1, read, -1), 'EBADF', 'poll');
    expectFailure(() => n.poll(99_999, read, -1), 'EBADF', 'poll');
    expect(() => n.poll(0, {} as typeof read, 0)).toThrow(TypeError);
  });

  test('1,000 rounds leave no descriptor', () => {
    const [one] = pair('stream');
    expectNoLeak(() => n.poll(one, both, 0));
  });
});

describe('peek', () => {
  test('shows what has come without taking it, null where nothing is there, and nothing at the end', () => {
    const [a, b] = n.socketpair('stream');
    expect(n.peek(a, 10)).toBeNull();
    n.send(b, Buffer.from('hello'));
    expect(n.peek(a, 3)?.toString()).toBe('hel');
    expect(n.peek(a, 100)?.toString()).toBe('hello');
    expect(n.receive(a, 100, 0)?.data.toString()).toBe('hello');
    closeSync(b);
    expect(n.peek(a, 10)).toHaveLength(0);
    expectNoLeak(() => n.peek(a, 10));
    closeSync(a);
    expectFailure(() => n.peek(a, 10), 'EBADF', 'recv');
    expectNoLeakOnFailure(() => n.peek(a, 10));
  });

  test('setReceiveLowWater keeps a stream unreadable until so much has come', async () => {
    // Of TCP: the readiness of a Unix stream does not go by it.
    const server = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [net.Socket];
    const fd = n.dup((socket as unknown as { _handle: { fd: number } })._handle.fd);
    const readable = (deadlineMs: number) => n.poll(fd, { readable: true, writable: false }, deadlineMs);
    const send = (text: string) => new Promise((resolve) => client.write(text, resolve));
    n.setReceiveLowWater(fd, 6);
    await send('12345');
    // It has come, and is no reason to wake anybody.
    while (n.peek(fd, 10)?.length !== 5);
    expect(readable(0)).toBeNull();
    await send('6');
    expect(readable(5_000)).toMatchObject({ readable: true });
    expectNoLeak(() => n.setReceiveLowWater(fd, 1));
    closeSync(fd);
    for (const one of [socket, client]) one.destroy();
    server.close();
    expectFailure(() => n.setReceiveLowWater(fd, 10), 'EBADF', 'setsockopt');
  });
});
