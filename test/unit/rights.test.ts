/** Who may do what, how many may ask at once, and what is on record of it. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Audit } from '../../src/control/audit.js';
import { coalesce } from '../../src/control/coalesce.js';
import { type Peer, peerFields, printable } from '../../src/control/peer.js';
import { Places } from '../../src/control/places.js';
import { Rights } from '../../src/control/rights.js';

const OWN = 500;
const peer = (uid: number, gid = uid, groups: number[] = []): Peer => ({ pid: 1, uid, gid, groups });
const user = (id: number) => ({ kind: 'user', name: String(id), id }) as const;
const group = (id: number) => ({ kind: 'group', name: String(id), id }) as const;

describe('rights', () => {
  const rights = new Rights({ read: [user(10), group(20)], act: [user(30), group(40)] }, OWN);
  test.each([
    ['root', peer(0), 'owner', true, true],
    ['the own user', peer(OWN), 'owner', true, true],
    ['a listed reader', peer(10), 'listed', true, false],
    ['a member of a reading group', peer(11, 20), 'listed', true, false],
    ['one with it as another of the groups', peer(11, 11, [1, 20]), 'listed', true, false],
    ['a listed actor', peer(30), 'listed', true, true],
    ['a member of an acting group', peer(31, 31, [40]), 'listed', true, true],
    ['one whose group has the number of a listed user', peer(11, 30), 'stranger', false, false],
    ['one whose user has the number of a listed group', peer(40, 11), 'stranger', false, false],
    ['a member of the group root', peer(11, 0, [0]), 'stranger', false, false],
  ] as const)('of %s', (_name, who, standing, read, act) => {
    expect([rights.standing(who), rights.may(who, 'read'), rights.may(who, 'act')]).toEqual([standing, read, act]);
  });

  test.each([
    ['nobody', [], [], { mode: 0o600, gid: null }],
    ['who may anyway', [user(0)], [user(OWN)], { mode: 0o600, gid: null }],
    ['one group', [group(20)], [group(20)], { mode: 0o660, gid: 20 }],
    ['one group and the own user', [group(20)], [user(OWN)], { mode: 0o660, gid: 20 }],
    ['two groups', [group(20)], [group(40)], { mode: 0o666, gid: null }],
    ['a user', [user(10)], [], { mode: 0o666, gid: null }],
    ['a group with the number of the own user', [group(OWN)], [], { mode: 0o660, gid: OWN }],
  ])('listing %s decides who may connect', (_name, read, act, access) => {
    expect(new Rights({ read, act }, OWN).access).toEqual(access);
  });
});

test('no pool of places takes from another, and no user all of one', () => {
  const places = new Places();
  const take = (standing: 'owner' | 'listed' | 'stranger', uid: number) => {
    const given: (() => void)[] = [];
    for (let leave = places.take(standing, uid); leave !== null; leave = places.take(standing, uid)) given.push(leave);
    return given;
  };
  expect(take('stranger', 1)).toHaveLength(4);
  const second = take('stranger', 2);
  expect(second).toHaveLength(4);
  expect(take('stranger', 3)).toHaveLength(0);
  expect(take('listed', 1)).toHaveLength(16);
  expect(take('owner', OWN)).toHaveLength(48);
  expect(take('owner', 0)).toHaveLength(16);
  second[0]!();
  expect(take('stranger', 3)).toHaveLength(1);
});

test('many who ask at once share one run, and each gets one that began after it asked', async () => {
  const runs: (() => void)[] = [];
  let begun = 0;
  const ask = coalesce(() => {
    const number = ++begun;
    return new Promise<number>((resolve) => runs.push(() => resolve(number)));
  });
  const first = ask();
  const others = [ask(), ask(), ask()];
  expect(begun).toBe(1);
  runs[0]!();
  expect(await first).toBe(1);
  expect(begun).toBe(2);
  const late = ask();
  runs[1]!();
  expect(await Promise.all(others)).toEqual([2, 2, 2]);
  runs[2]!();
  expect(await late).toBe(3);
  const again = ask();
  runs[3]!();
  expect(await again).toBe(4);
});

test('a run that fails fails for those who asked, and not for the next', async () => {
  let fail = true;
  const ask = coalesce(() => (fail ? Promise.reject(new Error('no')) : Promise.resolve('yes')));
  const [first, second] = [ask(), ask()];
  fail = false;
  await expect(first).rejects.toThrow('no');
  expect(await second).toBe('yes');
  expect(await ask()).toBe('yes');
});

describe('the record', () => {
  let lines: Record<string, unknown>[];
  let audit: Audit;
  beforeEach(() => {
    vi.useFakeTimers();
    lines = [];
    const out = new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    });
    audit = new Audit(pino({ level: 'fatal' }, out));
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('has every action whatever the level, with who it was', () => {
    audit.action({ pid: process.pid, uid: 0, gid: 0 }, 'reload', 'asked', { noOldAfterMs: 5 });
    expect(lines).toEqual([
      expect.objectContaining({
        level: 30,
        event: 'audit',
        action: 'reload',
        outcome: 'asked',
        noOldAfterMs: 5,
        peerUid: 0,
        peerUser: 'root',
        peerPid: process.pid,
        peerComm: expect.any(String),
        msg: `reload by root (uid 0), pid ${process.pid}: asked`,
      }),
    ]);
  });

  test('has a few refusals of each user a minute, then their number, then again', () => {
    for (let n = 0; n < 1_000; n++) audit.refused(peer(71_001), 'tries');
    audit.refused(peer(71_002), 'tries too');
    expect(lines.map(({ peerUid }) => peerUid)).toEqual([71_001, 71_001, 71_001, 71_001, 71_001, 71_002]);
    vi.advanceTimersByTime(60_000);
    expect(lines.at(-1)).toMatchObject({ level: 40, event: 'refused', peerUid: 71_001, swallowed: 995 });
    expect(lines).toHaveLength(7);
    audit.refused(peer(71_001), 'again');
    expect(lines).toHaveLength(8);
    vi.advanceTimersByTime(600_000);
    expect(lines).toHaveLength(8);
  });

  test('is bounded however many users try', () => {
    for (let uid = 80_000; uid < 81_000; uid++) for (let n = 0; n < 10; n++) audit.refused(peer(uid), 'tries');
    audit.close();
    expect(lines.length).toBeLessThanOrEqual(21 * 6);
    const told = lines.filter(({ swallowed }) => swallowed === undefined).length;
    const swallowed = lines.reduce((sum, line) => sum + Number(line.swallowed ?? 0), 0);
    expect(told + swallowed).toBe(10_000);
  });
});

test('what others wrote is one short line', () => {
  expect(printable('a\nb\x1b[31mé')).toBe('a?b?[31m?');
  expect(printable('x'.repeat(500))).toHaveLength(103);
  expect(peerFields({ pid: 0, uid: 3_999_999_999, gid: 0 })).toEqual({ peerUid: 3_999_999_999, peerPid: 0 });
});
