// Every event of the log has an id or is named as one that has none, and every id an explanation in the catalog.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.js';
import { LOG_FIELDS } from '../../src/log.js';
import { fieldName, journalFields } from '../../src/systemd/journal-fields.js';
import { MESSAGES, messageIdOf, WITHOUT_ID } from '../../src/systemd/message-ids.js';

const SRC = new URL('../../src', import.meta.url).pathname;
const CATALOG = readFileSync(new URL('../../units/batond.catalog', import.meta.url), 'utf8');

/** What has a key `event` and is no record of the log: events of tables, lines to a client, what a worker is told. */
const OTHERS = new Set(['BATOND_EVENT', 'candidateFailed', 'stepped', 'stateLost', 'old-gone', 'file', 'missing']);

/** The modules that log, as text. */
const logging = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/^(worker|cli|ws)\//.test(file))
  .map((file) => readFileSync(join(SRC, file), 'utf8'));

const events = new Set(
  logging
    .flatMap((text) => [...text.matchAll(/\bevent: (?:[^,}\n?]+ \? '([\w-]+)' : )?'([\w-]+)'/g)])
    .flatMap(([, ...names]) => names.filter((name) => name !== undefined))
    .filter((name) => !OTHERS.has(name)),
);

interface CatalogEntry {
  readonly id: string;
  readonly header: Readonly<Record<string, string>>;
  readonly body: string;
}

/** As journald reads it: entries begin with "-- ID", lines with "#" or ";" are comments. */
function parseCatalog(text: string): CatalogEntry[] {
  const [head, ...entries] = text.split(/^-- /m);
  expect(head!.split('\n').every((line) => line === '' || line.startsWith('#'))).toBe(true);
  return entries.map((entry) => {
    const [, id, header, body] = /^([0-9a-f]{32})\n((?:[\w-]+: .+\n)+)\n([\s\S]+)$/.exec(entry) ?? [];
    if (body === undefined) throw new Error(`no entry of the catalog: ${entry.slice(0, 200)}`);
    const fields = header!.trim().split('\n');
    return {
      id: id!,
      header: Object.fromEntries(fields.map((line) => line.split(/: (.*)/s).slice(0, 2))) as Record<string, string>,
      body,
    };
  });
}

describe('the ids of messages', () => {
  test('are there for every event of the log, or it is named as one that has none', () => {
    expect(events.size).toBeGreaterThan(60);
    const named = new Set([...MESSAGES.map(({ event }) => event), ...WITHOUT_ID]);
    expect([...events].filter((event) => !named.has(event))).toEqual([]);
    expect([...named].filter((event) => !events.has(event))).toEqual([]);
    for (const { event } of MESSAGES) expect(WITHOUT_ID.has(event)).toBe(false);
  });

  test('are each there once, and each can be reached', () => {
    expect(new Set(MESSAGES.map(({ id }) => id)).size).toBe(MESSAGES.length);
    for (const { id, event, where } of MESSAGES) {
      expect(id).toMatch(/^[0-9a-f]{32}$/);
      const values = Object.entries(where).map(([key, wanted]) => [
        key,
        wanted instanceof Set ? [...wanted][0] : wanted,
      ]);
      const other = { code: 'OTHER', health: 'OTHER' };
      expect(messageIdOf({ event, ...other, ...Object.fromEntries(values) })).toBe(id);
    }
  });

  test('tell a reload that is done from one that is taken back and from one that is refused', () => {
    const ids = [null, 'CANDIDATE_EXITED', 'SOAK_FAILED', 'CONFIG_INVALID'].map((code) =>
      messageIdOf({ event: 'verdict', code }),
    );
    expect(ids[1]).toBe(ids[2]);
    expect(new Set(ids).size).toBe(3);
    expect(messageIdOf({ event: 'step' })).toBeNull();
    expect(messageIdOf({ msg: 'without an event' })).toBeNull();
  });

  test('name only codes that there are', () => {
    const codes = MESSAGES.flatMap(({ where: { code } }) => (code instanceof Set ? [...code] : []));
    expect(codes.filter((code) => !(code in ERRORS))).toEqual([]);
  });

  test('are a field of the journal, and no record can bring its own', () => {
    const names = { identifier: 'shop', fields: LOG_FIELDS, messageIdOf };
    const entry = (record: object) => Object.fromEntries(journalFields({ level: 30, ...record }, names));
    expect(entry({ event: 'stopped', MESSAGE_ID: 'x' })).toMatchObject({
      MESSAGE_ID: messageIdOf({ event: 'stopped' }),
      BATOND_MESSAGE_ID: 'x',
    });
    expect(entry({ event: 'step' })).not.toHaveProperty('MESSAGE_ID');
  });
});

describe('the catalog', () => {
  const entries = parseCatalog(CATALOG);

  test('has an entry for each id, and none for another', () => {
    expect(entries.map(({ id }) => id)).toEqual(MESSAGES.map(({ id }) => id));
  });

  test('says of each what it is and what to do, for people at 80 columns', () => {
    for (const { header, body } of entries) {
      expect(header.Subject).toMatch(/^\S.{5,75}$/);
      expect(header['Defined-By']).toBe('batond');
      for (const line of body.split('\n')) {
        expect(line.length).toBeLessThanOrEqual(79);
        expect(line).not.toMatch(/^[#;]/);
      }
    }
    expect(new Set(entries.map(({ header }) => header.Subject)).size).toBe(entries.length);
  });

  test('speaks only of fields that an entry may have', () => {
    const known = new Set<string>([...Object.values(LOG_FIELDS), 'SYSLOG_IDENTIFIER']);
    const keys = new Set(logging.flatMap((text) => [...text.matchAll(/\b([a-z]\w*)\b/g)].map(([, key]) => key!)));
    for (const key of keys) known.add(fieldName(key)!);
    const used = [...CATALOG.matchAll(/@(\w+)@/g)].map(([, field]) => field!);
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((field) => !known.has(field))).toEqual([]);
  });
});
