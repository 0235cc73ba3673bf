/** What the app registers about its health is told, asked for, and bounded, whatever it gives. */
import { describe, expect, test } from 'vitest';
import { MAX_CHECKS, MAX_FACTS_BYTES } from '../../src/channel/checks.js';
import { decodeFromWorker } from '../../src/channel/decode.js';
import { type FromWorker, MAX_PACKET_BYTES } from '../../src/channel/messages.js';
import { gauge, register } from '../../src/checks.js';
import { AppHealth } from '../../src/worker/app-health.js';
import { type FakeWorker, startWorker } from './fake-supervisor.ts';

type Checked = Extract<FromWorker, { type: 'checked' }>;

const ALL = ['db', 'cache', 'queue', 'stuck', 'impatient', 'wrong'];

async function ask(worker: FakeWorker, names: readonly string[] | null, timeoutMs = 10_000) {
  worker.send({ type: 'check', id: 1, timeoutMs, names });
  const { results } = await worker.next('checked');
  return Object.fromEntries(results.map(({ name, ms, ...result }) => [name, result]));
}

describe('an app', () => {
  test('tells its checks once, and each gives what it gives', async () => {
    await using worker = startWorker('tells-health.mjs');
    await worker.next('ready');
    expect(worker.untaken('checks')).toEqual([{ type: 'checks', names: ALL }]);
    expect(await ask(worker, ['db', 'cache', 'queue', 'impatient', 'wrong', 'nobody'])).toEqual({
      db: {
        status: 'ok',
        facts: { size: 3, free: 0, primary: true, lag: null, since: '1970-01-01T00:00:00.000Z', calls: 1 },
        error: null,
      },
      cache: { status: 'degraded', facts: { hits: 0.5 }, error: null },
      queue: { status: 'down', facts: {}, error: 'TypeError: no broker at all' },
      impatient: { status: 'down', facts: {}, error: 'no answer within 10 ms' },
      wrong: { status: 'down', facts: {}, error: 'it gave 5, which is no result' },
    });
  });

  test('whose check hangs has it called once at a time, and is told when nobody waits any more', async () => {
    await using worker = startWorker('tells-health.mjs');
    await worker.next('ready');
    worker.send({ type: 'check', id: 7, timeoutMs: 10_000, names: ['stuck'] });
    await worker.said('stuck is asked');
    expect(await ask(worker, null, 50)).toMatchObject({ db: { status: 'ok' }, stuck: { error: expect.any(String) } });
    // The first still waits for it.
    expect(worker.stdout).toBe('stuck is asked\n');
    await using other = startWorker('tells-health.mjs');
    await other.next('ready');
    expect((await ask(other, ['stuck'], 20)).stuck).toMatchObject({ error: 'no answer within 20 ms' });
    await other.said('stuck is let go');
  });

  test('replaces a check and takes one back, which a replaced one cannot', async () => {
    await using worker = startWorker('tells-health.mjs');
    await worker.next('ready');
    await worker.next('checks');
    worker.process.stdin!.write('cache');
    expect((await worker.next('checks')).names).toEqual(ALL.filter((name) => name !== 'cache'));
    worker.process.stdin!.write('again');
    await worker.next('checks');
    expect(await ask(worker, ['db'])).toEqual({ db: { status: 'down', facts: { again: true }, error: null } });
    worker.process.stdin!.write('db');
    worker.process.stdin!.end();
    await worker.ping();
    expect(await ask(worker, ['db', 'cache'])).toHaveProperty('db');
  });

  test('says the names again to a supervisor that comes after one that died', async () => {
    await using worker = startWorker('tells-health.mjs');
    await worker.next('ready');
    await worker.next('checks');
    await worker.attend();
    expect((await worker.next('checks')).names).toEqual(ALL);
  });
});

describe('in the worker', () => {
  async function checked(fill: (health: AppHealth) => void, names: readonly string[] | null = null): Promise<Checked> {
    const sent: FromWorker[] = [];
    const health = new AppHealth({ send: (message) => void sent.push(message) });
    fill(health);
    await health.asked({ type: 'check', id: 1, timeoutMs: 1_000, names });
    const last = sent.at(-1)!;
    expect(Buffer.byteLength(JSON.stringify(last))).toBeLessThan(MAX_PACKET_BYTES);
    const read = decodeFromWorker(JSON.parse(JSON.stringify(last))) as Checked;
    expect(read).not.toBeNull();
    return read;
  }

  test('what is too much of one check is left out and counted', async () => {
    const facts = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`fact${n}`, 'x'.repeat(1_000)]));
    const { results } = await checked((health) => health.check('big', () => ({ ...facts, deep: { a: [1] } }), null));
    expect(Buffer.byteLength(JSON.stringify(results[0]!.facts))).toBeLessThanOrEqual(MAX_FACTS_BYTES + 20);
    expect(results[0]!.facts.omitted).toBeGreaterThan(90);
    expect(results[0]!.facts.deep).toBe('{ a: [ 1 ] }');
  });

  test('all of them fit into one packet, whatever they give or throw', async () => {
    const facts = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`fact${n}`, '\u0001€\ud800'.repeat(200)]));
    const { results } = await checked((health) => {
      for (let n = 0; n < MAX_CHECKS + 5; n++) health.check(`given${n}`, () => facts, null);
    });
    expect(results).toHaveLength(MAX_CHECKS);
    const thrown = await checked((health) => {
      for (let n = 0; n < MAX_CHECKS; n++) {
        const name = `thrown${n}`.padEnd(64, 'x');
        health.check(name, () => Promise.reject(new Error('€\u0001"\ud800'.repeat(100))), null);
      }
    });
    expect(thrown.results.every(({ status }) => status === 'down')).toBe(true);
  });

  test('what cannot even be described is down', async () => {
    const { results } = await checked((health) => {
      const nasty = {
        get status() {
          throw nasty;
        },
        get [Symbol.toStringTag]() {
          throw new Error('no');
        },
      };
      health.check('nasty', () => nasty, null);
      health.check('fine', () => ({ status: 'fine' }), null);
      health.check('nothing', () => undefined, null);
    });
    expect(results).toMatchObject([
      { name: 'nasty', status: 'down' },
      { name: 'fine', status: 'down', error: "it gave the status 'fine', which is none" },
      { name: 'nothing', status: 'ok', error: null },
    ]);
  });

  test('gauges give their numbers, and one that fails keeps back no other', () => {
    const health = new AppHealth({ send: () => {} });
    health.gauge('db.pool', () => 4);
    health.gauge('broken', () => {
      throw new Error('no');
    });
    health.gauge('text', () => 'many');
    const withdraw = health.gauge('timers', () => 1);
    expect(health.readGauges()).toEqual({ 'db.pool': 4, timers: 1 });
    withdraw();
    expect(health.readGauges()).toEqual({ 'db.pool': 4 });
  });
});

test('outside batond nothing is called, and mistakes are refused alike', () => {
  const never = () => {
    throw new Error('it was called');
  };
  const withdraw = register('db', never);
  expect(() => register('', never)).toThrow(/is no name/);
  expect(() => register('x'.repeat(65), never)).toThrow(/is no name/);
  expect(() => register('db', 5 as never)).toThrow(/takes a function/);
  expect(() => register('db', never, { timeoutMs: 0 })).toThrow(/number of milliseconds/);
  expect(() => gauge('pool', 5 as never)).toThrow(/takes a function/);
  const rest = Array.from({ length: MAX_CHECKS - 1 }, (_, n) => register(`check${n}`, never));
  expect(() => register('one-more', never)).toThrow(RangeError);
  register('db', never);
  withdraw();
  expect(() => register('one-more', never)).toThrow(RangeError);
  for (const one of rest) one();
  register('one-more', never);
});
