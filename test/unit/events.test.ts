/** The feed of events: whole over whoever writes it, whatever the log leaves out, and bounded. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseSince, renderEvent } from '../../src/cli/events.js';
import { Audit } from '../../src/control/audit.js';
import { EventReader } from '../../src/control/event-reader.js';
import { followEvents } from '../../src/control/follow-events.js';
import { Rights } from '../../src/control/rights.js';
import { type ControlHandlers, ControlServer } from '../../src/control/server.js';
import { eventOf, type ServiceEvent } from '../../src/events/event.js';
import { EventFeed } from '../../src/events/feed.js';
import { tapped } from '../../src/log-tap.js';
import { native } from '../../src/native.js';
import { eventually } from '../support/service/wait.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-events-'));
  path = join(folder, 'events.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const begun = () => {
  const feed = new EventFeed(path);
  feed.begin();
  return feed;
};
const tell = (feed: EventFeed, message: string) => feed.hear(30, { event: 'step' }, message);
const messages = (feed: EventFeed) => feed.kept().map(({ message }) => message);
const gaps = (events: readonly ServiceEvent[]) => events.filter(({ id }, i) => i > 0 && id !== events[i - 1]!.id + 1);

describe('the feed', () => {
  test('goes on with its numbers in whoever comes next', () => {
    tell(begun(), 'one');
    const next = begun();
    tell(next, 'two');
    tell(next, 'three');
    expect(messages(next)).toEqual(['one', 'two', 'three']);
    expect(gaps(next.kept())).toEqual([]);
  });

  test('holds back what is heard while another may write, and tells it when it acts again', () => {
    const feed = begun();
    tell(feed, 'before');
    feed.end();
    tell(feed, 'meanwhile');
    expect(messages(feed)).toEqual(['before']);
    feed.begin();
    expect(messages(feed)).toEqual(['before', 'meanwhile']);
    expect(gaps(feed.kept())).toEqual([]);
  });

  test('begins higher than a service of before whose file is gone', () => {
    const feed = begun();
    tell(feed, 'old');
    const [old] = feed.kept();
    feed.clear();
    const next = begun();
    tell(next, 'new');
    expect(next.kept()[0]!.id).toBeGreaterThanOrEqual(old!.id);
  });

  test('loses nothing but the line in which its writer was killed', () => {
    tell(begun(), 'one');
    appendFileSync(path, '{"id":17,"at":');
    const next = begun();
    tell(next, 'two');
    expect(messages(next)).toEqual(['one', 'two']);
    expect(gaps(next.kept())).toEqual([]);
  });

  test('stays small, and keeps the newest without a gap', () => {
    const feed = begun();
    for (let i = 0; i < 3_000; i++) tell(feed, `${i} ${'x'.repeat(200)}`);
    expect(statSync(path).size).toBeLessThan(300 * 1024);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const kept = feed.kept();
    expect(kept.length).toBeGreaterThan(300);
    expect(kept.at(-1)!.message).toMatch(/^2999 /);
    expect(gaps(kept)).toEqual([]);
  });

  test('tells those who listen also where nothing can be written', () => {
    const feed = new EventFeed(join(folder, 'nowhere', 'events.jsonl'));
    feed.begin();
    const heard: string[] = [];
    const stop = feed.listen(({ message }) => heard.push(message));
    tell(feed, 'one');
    stop();
    tell(feed, 'two');
    expect(heard).toEqual(['one']);
  });
});

test('an event has what is known by name, the rest beside it, and is never large', () => {
  const err = new Error('no such table');
  const fields = { event: 'crash', generation: 7, slot: 'x', code: 3, signal: null, err, tries: 2 };
  expect(eventOf(50, fields, 'worker g7s0 crashed')).toEqual({
    event: 'crash',
    level: 'error',
    message: 'worker g7s0 crashed',
    generation: 7,
    code: 3,
    more: { slot: 'x', error: 'no such table', tries: 2 },
  });
  expect(eventOf(20, { event: 'roll' }, '')).toBeNull();
  expect(eventOf(30, { generation: 7 }, 'without a name')).toBeNull();
  expect(eventOf(30, { event: 'hook-output' }, 'a line of a hook')).toBeNull();
  expect(eventOf(30, { event: 'a', big: 1n }, 'b')).toEqual({ event: 'a', level: 'info', message: 'b' });
  const text = 'x'.repeat(100_000);
  expect(JSON.stringify(eventOf(30, { event: 'a', release: text, many: [text] }, text)).length).toBeLessThan(5_000);
});

test('a log is heard whatever its level leaves out, and writes what it did', () => {
  const lines: string[] = [];
  const heard: string[] = [];
  const log = tapped(
    { level: 'warn', base: { name: 'shop' } },
    { write: (line) => lines.push(JSON.parse(line).msg) },
    (level, fields, message) => heard.push(`${level} ${fields.event} ${message}`),
  );
  log.debug({ event: 'a' }, 'debug');
  log.info({ event: 'a' }, 'info');
  log.warn({ event: 'a' }, 'warn');
  new Audit(log).action({ pid: 1, uid: 0, gid: 0 }, 'stop', 'asked');
  expect(log.level).toBe('warn');
  expect(lines).toEqual(['warn', expect.stringContaining('stop by')]);
  expect(heard).toEqual(['30 a info', '40 a warn', expect.stringMatching(/^30 audit stop by/)]);
  log.level = 'debug';
  log.debug('seen');
  log.level = 'error';
  log.warn({ event: 'b' }, 'not written');
  expect(log.level).toBe('error');
  expect(lines.slice(2)).toEqual(['seen']);
  expect(heard.at(-1)).toBe('40 b not written');
});

const event: ServiceEvent = { id: 7, at: 1_000, event: 'step', level: 'info', message: 'a\u2028b' };

describe('the stream', () => {
  test('is read however it is cut into pieces, and past what is not known', () => {
    const text = `retry: 1\n\n: x\n\nid: 7\ndata: ${JSON.stringify(event)}\n\nevent: newer\ndata: {}\n\ndata: {}\n\nevent: missed\ndata: 1\n\n`;
    const bytes = Buffer.from(text);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        const reader = new EventReader();
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, i) => bytes.subarray(places[i]!, end));
        expect(pieces.flatMap((piece) => reader.take(piece))).toEqual([{ kind: 'event', event }, { kind: 'missed' }]);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  const serving = (events: ControlHandlers['events']) => {
    const socket = join(folder, 'control.sock');
    const address = { family: 'unix', path: socket } as const;
    const fd = native().bind({ type: 'stream', address, reuseAddress: false, reusePort: false, ipv6Only: false });
    native().listen(fd, 10);
    const rights = new Rights({ read: [], act: [] }, process.getuid!());
    const audit = new Audit(pino({ enabled: false }));
    const handlers = { events } as ControlHandlers;
    const server = new ControlServer({ name: 'shop', listener: fd, path: socket, rights, audit, handlers });
    server.resume();
    return { server, socket };
  };

  /** All that comes until the answer ends, or `until` is among it. */
  const asked = (socket: string, query: string, headers = '', until = /$^/) =>
    new Promise<string>((resolve) => {
      let text = '';
      const client = connect(socket, () =>
        client.write(`GET /v1/events${query} HTTP/1.1\r\nhost: a\r\n${headers}\r\n`),
      );
      client.on('data', (data) => {
        text += data;
        if (until.test(text)) client.destroy();
      });
      client.on('close', () => resolve(text));
    });

  test('tells what is kept, what came after an id, what is newer, and what is missed', async () => {
    const feed = begun();
    for (const word of ['one', 'two', 'three']) tell(feed, word);
    const first = feed.kept()[0]!.id;
    const { server, socket } = serving(feed);
    const words = (text: string) => [...text.matchAll(/"message":"(\w+)"/g)].map(([, word]) => word);
    expect(words(await asked(socket, '?follow=0'))).toEqual(['one', 'two', 'three']);
    const after = await asked(socket, '?follow=0', `last-event-id: ${first}\r\n`);
    expect(words(after)).toEqual(['two', 'three']);
    expect(after).not.toContain('missed');
    expect(words(await asked(socket, `?follow=0&since=${Date.now() + 60_000}`))).toEqual([]);
    expect(await asked(socket, '?follow=0', `last-event-id: ${first - 5}\r\n`)).toContain('event: missed\n');
    const following = asked(socket, '', '', /four/);
    await eventually(
      () => feed.listeners,
      (count) => count === 1,
      { what: () => 'it listens' },
    );
    tell(feed, 'four');
    expect(words(await following)).toEqual(['one', 'two', 'three', 'four']);
    await eventually(
      () => feed.listeners,
      (count) => count === 0,
      { what: () => 'nobody listens' },
    );
    expect(await asked(socket, '?since=x')).toContain('REQUEST_INVALID');
    server.close();
  });

  test('drops a client that does not read, and turns away one too many', async () => {
    const feed = begun();
    const { server, socket } = serving(feed);
    const client = connect(socket, () => client.write('GET /v1/events HTTP/1.1\r\nhost: a\r\n\r\n'));
    client.on('error', () => {});
    client.pause();
    await eventually(
      () => feed.listeners,
      (count) => count === 1,
      { what: () => 'it listens' },
    );
    for (let i = 0; i < 5_000; i++) tell(feed, 'x'.repeat(900));
    await eventually(
      () => feed.listeners,
      (count) => count === 0,
      { what: () => 'it is dropped' },
    );
    client.destroy();
    server.close();
    const full = serving({ kept: () => [], listen: () => () => {}, listeners: 32 });
    expect(await asked(full.socket, '')).toMatch(/^HTTP\/1\.1 429 [\s\S]*TOO_MANY/);
    full.server.close();
  });
});

describe('who follows', () => {
  const answerOf = (...chunks: (string | Error)[]) =>
    (async function* () {
      for (const chunk of chunks) {
        if (chunk instanceof Error) throw chunk;
        yield Buffer.from(chunk);
      }
    })() as never;
  const data = (id: number) => `id: ${id}\ndata: ${JSON.stringify({ ...event, id })}\n\n`;
  const cut = Object.assign(new Error('cut'), { code: 'ECONNRESET' });

  test('comes back with the last id, hears nothing twice, and ends with the service', async () => {
    const ids: number[] = [];
    const asked: (number | null)[] = [];
    const answers = [answerOf(data(1), data(2), cut), answerOf(data(2), data(3))];
    const following = followEvents({
      connect: async (lastId) => {
        asked.push(lastId);
        const answer = answers.shift();
        if (answer === undefined) throw new Error('is not running');
        return answer;
      },
      follow: true,
      event: ({ id }) => ids.push(id),
      missed: () => {},
    });
    await expect(following).rejects.toThrow('is not running');
    expect({ ids, asked }).toEqual({ ids: [1, 2, 3], asked: [null, 2, 3] });
  });

  test('gives up where each connection is ended at once', async () => {
    let count = 0;
    const connect = async () => {
      count++;
      return answerOf();
    };
    const following = followEvents({ connect, follow: true, event: () => {}, missed: () => {} });
    await expect(following).rejects.toThrow('ended at once');
    expect(count).toBeLessThan(50);
  });
});

describe('batond events', () => {
  const view = { color: false, width: 40 };
  test('prints a line an event, within the width of a terminal and without control characters', () => {
    const line = renderEvent({ ...event, message: 'a\nb\x1b[31m and so on and so on' }, view);
    expect(line).toMatch(/^\d\d:\d\d:01 {2}step {14}a \/ b\?\[31m …$/u);
    expect(line).toHaveLength(40);
    expect(renderEvent(event, { ...view, width: null })).toMatch(/ {2}a\u2028b$/);
    const warned = { ...event, level: 'warn' } as const;
    expect(renderEvent(warned, { ...view, color: true })).toBe(`\x1b[33m${renderEvent(warned, view)}\x1b[0m`);
    expect(renderEvent(event, { ...view, color: true })).not.toContain('\x1b');
  });

  test('takes a duration or a date', () => {
    expect(parseSince('10m', 700_000)).toBe(100_000);
    expect(parseSince('2026-11-21T20:00:00Z', 0)).toBe(Date.UTC(2026, 10, 21, 20));
    expect(() => parseSince('soon', 0)).toThrow('--since soon: a duration');
  });
});

test('a file of another version is passed over', () => {
  writeFileSync(path, '{"id":5,"at":1,"event":"x","level":"info","message":"","new":{}}\n{"id":"6"}\nnot json\n');
  const feed = begun();
  tell(feed, 'next');
  expect(feed.kept().map(({ id }) => id)).toEqual([5, 6]);
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(5);
});
