/** What the supervisor and a worker, and two workers, read from each other. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { CHECK_NAME, MAX_CHECKS } from '../../src/channel/checks.js';
import { decodeFromWorker } from '../../src/channel/decode.js';
import { decodeFromPeer, isMoving } from '../../src/channel/decode-peer.js';
import { decodeToWorker, descriptorsOf } from '../../src/channel/decode-to-worker.js';
import { MAX_PACKET_BYTES } from '../../src/channel/messages.js';
import { PacketSocket } from '../../src/channel/packet-socket.js';
import { MAX_SAVED_BYTES } from '../../src/channel/peer-messages.js';
import { LATENCY_BUCKETS, noLatency } from '../../src/health/latency.js';
import { countsOf, plus } from '../../src/metrics/counts.js';
import { type Fd, native } from '../../src/native.js';
import { Channel } from '../../src/worker/channel.js';
import { Links } from '../../src/worker/links.js';
import { OfferPacket, savedOf } from '../../src/worker/offer-packet.js';
import { fuzz, openDescriptors } from './fuzz.js';
import { asJson, json, messages, number, text, value } from './messages.js';

const n = native();

const address = fc.record(
  {
    kind: fc.constantFrom('tcp', 'unix', 'udp', 'quic'),
    host: fc.oneof(text, fc.constant(null)),
    path: text,
    port: number,
    ipv6Only: fc.boolean(),
    reusePort: fc.boolean(),
    reuseAddress: fc.boolean(),
    ordinal: number,
  },
  { requiredKeys: ['kind'] },
);
const accepts = fc.constantFrom('all', 'main', 'canary', 'none', 7);
const tally = fc.record({ moved: number, finished: number, told: number, cut: number }, { requiredKeys: [] });
/** Few, or more small ones than may be. */
const few = <T>(of: fc.Arbitrary<T>, small: T) =>
  fc.oneof(
    { weight: 5, arbitrary: fc.array(of, { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constant(Array<T>(MAX_CHECKS + 1).fill(small)) },
  );
const result = fc.record(
  {
    name: fc.oneof(fc.constant('db.pool'), text),
    status: fc.constantFrom('ok', 'degraded', 'down', 'fine'),
    ms: number,
    facts: fc.oneof(fc.dictionary(text, value, { maxKeys: 2 }), value),
    error: fc.option(text),
  },
  { requiredKeys: ['name', 'status', 'ms', 'facts', 'error'] },
);
const named = fc.dictionary(text, number, { maxKeys: 3 });
const counts = fc.oneof(
  fc.array(number, { maxLength: LATENCY_BUCKETS + 1 }),
  fc.constant(noLatency()),
  fc.constant([...noLatency(), 0]),
);
const collections = fc.record({ count: number, ms: number }, { requiredKeys: [] });
const fromWorker = messages(
  [
    'hello',
    'listen',
    'listening',
    'unlisten',
    'ready',
    'fatal',
    'pong',
    'opened',
    'paused',
    'drained',
    'measures',
    'standing',
    'state',
    'saved',
    'unsaved',
    'restored',
    'unrestored',
    'checks',
    'checked',
    'holdings',
    'examined',
  ],
  {
    resources: named,
    gauges: named,
    listeners: named,
    names: few(fc.oneof(fc.constant('db.pool'), text), 'db'),
    results: few<object>(result, { name: 'db', status: 'ok', ms: 1, facts: {}, error: null }),
    saves: fc.boolean(),
    restores: fc.constantFrom(null, 'rollback', 'empty', 'never'),
    to: number,
    from: number,
    bytes: number,
    ms: number,
    tooLargeBytes: fc.option(number),
    reason: fc.option(text),
    version: number,
    node: text,
    canaries: fc.oneof(fc.boolean(), number),
    on: accepts,
    accepted: number,
    id: number,
    address,
    backlog: number,
    name: text,
    by: fc.constantFrom('listen', 'notify', 'load', 'magic'),
    message: text,
    tally,
    requests: number,
    inFlight: number,
    connections: number,
    rssBytes: number,
    heapUsedBytes: number,
    utilization: number,
    errors: number,
    aborted: number,
    latency: counts,
    loop: fc.record({ activeMs: number, idleMs: number }, { requiredKeys: [] }),
    delay: fc.option(fc.record({ count: number, sumMs: number, maxMs: number, over: counts }, { requiredKeys: [] })),
    detail: fc.option(
      fc.record(
        {
          userMs: number,
          systemMs: number,
          heapTotalBytes: number,
          heapLimitBytes: number,
          externalBytes: number,
          collections: fc.record(
            { minor: collections, major: collections, incremental: collections, weakcb: collections },
            { requiredKeys: ['minor', 'major', 'incremental', 'weakcb'] },
          ),
        },
        { requiredKeys: [] },
      ),
    ),
  },
);

fuzz('channel: from a worker', fromWorker, (input) => {
  const message = decodeFromWorker(input);
  if (message === null || message === 'unknown') return;
  if (message.type === 'pong' || message.type === 'drained') expect(Number.isSafeInteger(message.id)).toBe(true);
  if (message.type === 'listen') {
    expect(message.backlog).toBeLessThan(2 ** 31);
    if (message.address.kind === 'unix') expect(message.address.path.length).toBeLessThanOrEqual(108);
    else expect(message.address.port).toBeLessThanOrEqual(65_535);
  }
  if (message.type === 'checked') {
    expect(message.results.length).toBeLessThanOrEqual(MAX_CHECKS);
    for (const { facts, name } of message.results) {
      expect(name).toMatch(CHECK_NAME);
      expect(Object.values(facts).every((fact) => typeof fact !== 'object' || fact === null)).toBe(true);
    }
  }
  if (message.type === 'measures') {
    expect(message.latency).toHaveLength(LATENCY_BUCKETS);
    expect([...message.latency, message.errors, message.aborted].every((count) => count >= 0)).toBe(true);
    expect(message.delay?.over ?? noLatency()).toHaveLength(LATENCY_BUCKETS);
    const counts = Object.values(plus(countsOf(message), countsOf(message)));
    expect(counts.every((count) => Number.isFinite(count) && count >= 0)).toBe(true);
  }
  if (message.type === 'examined') expect((message.bytes === null) === (message.reason !== null)).toBe(true);
  if (message.type === 'drained') expect(Object.values(message.tally).every(Number.isFinite)).toBe(true);
});

const diversion = fc.oneof(
  fc.record(
    {
      by: fc.constantFrom('chance', 'header', 'cookie', 'moon'),
      name: text,
      value: fc.option(text),
      share: fc.oneof(fc.nat(1_100), number),
    },
    { requiredKeys: ['by', 'share'] },
  ),
  number,
);
const toWorker = messages(
  [
    'listener',
    'refused',
    'ping',
    'open',
    'canary',
    'divert',
    'pause',
    'drain',
    'link',
    'measure',
    'save',
    'restore',
    'attend',
    'tickets',
    'inject',
    'check',
    'resources',
    'examine',
    'enough',
  ],
  {
    names: fc.option(fc.array(text, { maxLength: 5 })),
    id: number,
    delay: fc.option(fc.boolean(), { nil: undefined }),
    scraped: fc.option(fc.boolean(), { nil: undefined }),
    on: accepts,
    name: text,
    code: text,
    what: fc.constantFrom('heap', 'report', 'cpu', 'core'),
    path: text,
    durationMs: number,
    idle: fc.constantFrom('move', 'wait', 'close', 'never'),
    timeoutMs: number,
    peer: text,
    takes: fc.boolean(),
    diversion,
    listeners: fc.oneof(fc.array(text, { maxLength: 3 }), number),
    secret: text,
    to: number,
    maxBytes: number,
    from: number,
    generation: number,
    slots: number,
  },
);

fuzz('channel: to a worker', fc.tuple(toWorker, fc.nat(3)), ([input, fds]) => {
  const message = decodeToWorker(input, fds);
  if (message === null) return;
  expect(descriptorsOf(message)).toBeLessThanOrEqual(fds);
  if (message.type === 'tickets') Buffer.from(message.secret, 'base64');
  else if (message.type === 'save') expect(Number.isSafeInteger(message.maxBytes)).toBe(true);
  else if (message.type === 'restore') expect(Number.isSafeInteger(message.from)).toBe(true);
  else if (message.type === 'divert') {
    expect(message.diversion.share).toBeLessThanOrEqual(1_000);
    if (message.diversion.by !== 'chance') expect(typeof message.diversion.name).toBe('string');
  } else if (message.type !== 'link' && message.type !== 'canary') expect(Number.isSafeInteger(message.id)).toBe(true);
});

const packet = fc.record({
  data: fc.oneof(
    { weight: 6, arbitrary: fc.oneof(toWorker, fromWorker, json).map((input) => Buffer.from(JSON.stringify(input))) },
    { weight: 2, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.nat(MAX_PACKET_BYTES + 10).map((length) => Buffer.alloc(length + 1, '[')) },
  ),
  fds: fc.nat(6),
});

/** Sends what fits into the socket. */
function sendAll(to: Fd, packets: readonly { data: Buffer; fds: number }[]): void {
  const own = n.memfdCreate('sent');
  try {
    // The kernel takes no packet that is larger than its buffer; one that is larger than ours may be is as good.
    for (const { data, fds } of packets)
      n.send(to, data.subarray(0, MAX_PACKET_BYTES + 10), { fds: Array(fds).fill(own) });
  } finally {
    n.close(own);
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

fuzz(
  'channel: packets to a worker',
  fc.array(packet, { maxLength: 5 }),
  async (packets) => {
    const before = openDescriptors();
    const [ours, theirs] = n.socketpair('seqpacket');
    const channel = new Channel(ours);
    const gone = new Promise<void>((resolve) =>
      channel.start((message, fd) => {
        if (fd === null) return;
        expect(descriptorsOf(message)).toBe(1);
        n.close(fd);
      }, resolve),
    );
    channel.keepAlive(true, packets);
    sendAll(theirs, packets);
    n.close(theirs);
    await gone;
    expect(openDescriptors()).toBe(before);
  },
  { share: 0.1 },
);

fuzz(
  'channel: packets to a supervisor',
  fc.array(packet, { maxLength: 5 }),
  async (packets) => {
    const before = openDescriptors();
    const [ours, theirs] = n.socketpair('seqpacket');
    await new Promise<void>((resolve) => {
      const socket = new PacketSocket(ours, {
        onPacket: (message, fds) => {
          for (const fd of fds) n.close(fd);
          expect(typeof message === 'object' && message !== null).toBe(true);
          decodeFromWorker(message);
        },
        onClose: () => {
          socket.close();
          resolve();
        },
      });
      sendAll(theirs, packets);
      n.close(theirs);
    });
    expect(openDescriptors()).toBe(before);
  },
  { share: 0.1 },
);

const memfd = fc.record({ index: fc.oneof(fc.nat(5), number), unreadBytes: number, stateBytes: number });
const moving = fc.record(
  {
    listener: text,
    kind: fc.oneof(fc.constant('http'), text),
    unread: fc.oneof(fc.base64String({ maxLength: 40 }), fc.record({ length: number })),
    state: fc.oneof(fc.base64String({ maxLength: 40 }), fc.record({ length: number }), fc.array(number)),
    memfd,
  },
  { requiredKeys: ['listener', 'kind'] },
);
const fromPeer = messages(['offer', 'yours', 'withdraw', 'accept'], {
  id: number,
  connections: fc.array(fc.oneof({ weight: 5, arbitrary: moving }, { weight: 1, arbitrary: value }), { maxLength: 4 }),
  taken: fc.array(number, { maxLength: 4 }),
});

fuzz('channel: from another worker', fromPeer, (input) => {
  if (typeof input !== 'object' || input === null) return;
  const message = decodeFromPeer(input);
  if (message === null || message === 'unknown') return;
  expect(Number.isSafeInteger(message.id)).toBe(true);
  if (message.type === 'accept') expect(message.taken.every(Number.isSafeInteger)).toBe(true);
  if (message.type !== 'offer') return;
  const fd = n.memfdCreate('offered');
  for (const one of message.connections) {
    if (!isMoving(one)) continue;
    try {
      const { state, unread } = savedOf(one, [fd, fd]);
      expect((state?.length ?? 0) + (unread?.length ?? 0)).toBeLessThanOrEqual(MAX_SAVED_BYTES);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
  }
  n.close(fd);
});

fuzz(
  'channel: packets to a link',
  fc.array(fc.record({ input: fromPeer, fds: fc.nat(4) }), { maxLength: 4 }),
  async (sent) => {
    const before = openDescriptors();
    const [ours, theirs] = n.socketpair('seqpacket');
    await new Promise<void>((resolve) => {
      const links = new Links({
        fromSender: (_link, message, fds) => {
          for (const fd of fds) n.close(fd);
          if (message.type === 'offer') expect(Array.isArray(message.connections)).toBe(true);
        },
        fromReceiver: (_link, message) => expect(Array.isArray(message.taken)).toBe(true),
        closed: () => resolve(),
      });
      links.add(ours, 'peer');
      sendAll(
        theirs,
        sent.map(({ input, fds }) => ({ data: Buffer.from(JSON.stringify(input)), fds })),
      );
      n.close(theirs);
    });
    await turn();
    expect(openDescriptors()).toBe(before);
  },
  { share: 0.1 },
);

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 50 }),
  fc.integer({ min: 4_000, max: 9_000 }).map((length) => new Uint8Array(length).fill(7)),
);

fuzz(
  'channel: an offer there and back',
  fc.array(fc.record({ listener: text, kind: text, state: fc.option(bytes), unread: fc.option(bytes) }), {
    maxLength: 10,
  }),
  (connections) => {
    const fd = n.memfdCreate('connection');
    const offer = new OfferPacket();
    const added = connections.filter(({ listener, kind, state, unread }) => {
      const saved = { state: buffer(state), unread: buffer(unread) };
      if (!offer.hasRoom(listener, (state?.length ?? 0) + (unread?.length ?? 0))) return false;
      offer.add(listener, kind, fd, saved);
      return true;
    });
    const { connections: written, fds } = offer.finish();
    const message = decodeFromPeer(asJson({ type: 'offer', id: 1, connections: written }) as object);
    if (message === null || message === 'unknown' || message.type !== 'offer') throw new Error('not understood');
    expect(message.connections).toHaveLength(added.length);
    for (const [i, one] of message.connections.entries()) {
      expect(isMoving(one)).toBe(true);
      const { state, unread } = savedOf(one, fds);
      expect(Buffer.compare(state ?? Buffer.alloc(0), added[i]!.state ?? Buffer.alloc(0))).toBe(0);
      expect(Buffer.compare(unread ?? Buffer.alloc(0), added[i]!.unread ?? Buffer.alloc(0))).toBe(0);
    }
    offer.close();
    n.close(fd);
  },
  { share: 0.2 },
);

const buffer = (part: Uint8Array | null) => (part === null ? undefined : Buffer.from(part));
