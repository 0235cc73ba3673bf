/** A batond that fails at its start pauses, and makes way for another that has served; what fails for its app does not. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EXIT } from '../../src/errors.js';
import { beginStart, endStart, keepStart } from '../../src/start-guard.js';
import { TAKEOVER_ENVIRONMENT } from '../../src/takeover/messages.js';

let folder: string;
let env: Record<string, string>;
let older: string;
let newer: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-start-'));
  env = { STATE_DIRECTORY: folder, NOTIFY_SOCKET: '/run/systemd/notify' };
  older = join(folder, 'older.js');
  newer = join(folder, 'newer.js');
  writeFileSync(older, '');
  writeFileSync(newer, '');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a start after one that went well goes on at once', () => {
  for (const end of [() => endStart(EXIT.ok, env), () => endStart(EXIT.config, env), () => keepStart(newer, env)]) {
    expect(beginStart(newer, env)).toEqual({ pauseMs: 0, standIn: null });
    end();
  }
});

test('starts that fail in a row pause, longer and longer, for a second at most', () => {
  const pauses = Array.from({ length: 40 }, () => beginStart(newer, env).pauseMs);
  expect(pauses.slice(0, 7)).toEqual([0, 100, 200, 400, 800, 1_000, 1_000]);
  expect(Math.max(...pauses)).toBe(1_000);
});

test('the one that served before stands in, and the newer one is tried again after it', () => {
  keepStart(older, env);
  expect(beginStart(newer, env).standIn).toBeNull();
  expect(beginStart(newer, env)).toEqual({ pauseMs: 0, standIn: older });
  expect(beginStart(older, env)).toEqual({ pauseMs: 200, standIn: null });
  // The stand-in was killed before it had served for long.
  expect(beginStart(newer, env)).toMatchObject({ standIn: null });
  expect(beginStart(newer, env)).toMatchObject({ standIn: older });
  // It could not even be imported.
  expect(beginStart(newer, env)).toMatchObject({ standIn: null });
});

test.each<[string, () => void]>([
  ['is the same', () => keepStart(newer, env)],
  ['is gone', () => rmSync(older)],
  ['failed for its app', () => endStart(EXIT.software, env)],
  ['is unknown, since the record is damaged', () => writeFileSync(join(folder, 'starts.json'), '{"good":')],
  [
    'is unknown, since the record is nonsense',
    () => writeFileSync(join(folder, 'starts.json'), '{"good":7,"begun":[]}'),
  ],
])('nobody stands in where the one before %s', (_what, change) => {
  keepStart(older, env);
  beginStart(newer, env);
  change();
  expect(beginStart(newer, env).standIn).toBeNull();
});

test('a start that fails for its app pauses too', () => {
  for (let n = 0; n < 3; n++) {
    beginStart(newer, env);
    endStart(EXIT.software, env);
  }
  expect(beginStart(newer, env)).toEqual({ pauseMs: 400, standIn: null });
});

test('nothing is kept where no systemd starts it, or where there is no place for it', () => {
  for (const other of [{ STATE_DIRECTORY: folder }, { ...env, NOTIFY_SOCKET: '/run/batond/shop/notify.sock' }, {}]) {
    beginStart(newer, other);
    expect(beginStart(newer, other)).toEqual({ pauseMs: 0, standIn: null });
  }
  expect(beginStart(newer, { ...env, STATE_DIRECTORY: join(folder, 'none') })).toEqual({ pauseMs: 0, standIn: null });
  expect(readdirSync(folder).sort()).toEqual(['newer.js', 'older.js']);
});

test('main.js knows a successor by the variable that it is told by', () => {
  expect(TAKEOVER_ENVIRONMENT).toBe('BATOND_TAKEOVER');
});
