/** Where sockets are made and looked for: a folder in /tmp that somebody else could write to is refused. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { temporaryRoot } from '../../src/control/paths.js';
import { isForeign, makeRuntimeDirectory } from '../../src/control/runtime-directory.js';

/** Nobody's number, so that no service of this machine has the folder. */
const UID = 71_234;
const root = temporaryRoot(UID);
const path = join(root, 'shop');
const asRoot = describe.runIf(process.getuid?.() === 0);

afterEach(() => rmSync(root, { recursive: true, force: true }));

asRoot('below /tmp', () => {
  test.each<[string, () => void, RegExp]>([
    ['a folder of somebody else', () => mkdirSync(root, { mode: 0o700 }), /belongs to uid 0, not to uid 71234/],
    [
      'a folder that others may enter',
      () => {
        mkdirSync(root);
        chmodSync(root, 0o755);
        chownSync(root, UID, UID);
      },
      /its mode is 755 and must be 700/,
    ],
    ['a symlink', () => symlinkSync('/var/tmp', root), /it is no directory/],
    ['a file', () => writeFileSync(root, ''), /it is no directory/],
  ])('%s is refused', (_name, prepare, reason) => {
    prepare();
    expect(isForeign(path, UID)).toBe(true);
    expect(() => makeRuntimeDirectory(path, UID)).toThrow(
      expect.objectContaining({ code: 'DIRECTORY_UNSAFE', exitStatus: 73, message: expect.stringMatching(reason) }),
    );
  });

  test('nothing, or what is ours alone, is not', () => {
    expect(isForeign(path, UID)).toBe(false);
    mkdirSync(root, { mode: 0o700 });
    chownSync(root, UID, UID);
    expect(isForeign(path, UID)).toBe(false);
    expect(isForeign(`${root}x/shop`, UID)).toBe(false);
  });
});

test('the folder is made for its user alone where it is made', () => {
  const own = process.getuid!();
  const folder = mkdtempSync(join(tmpdir(), 'batond-runtime-'));
  try {
    makeRuntimeDirectory(join(folder, 'shop'), own);
    expect(statSync(join(folder, 'shop')).mode & 0o777).toBe(0o755);
    chmodSync(join(folder, 'shop'), 0o777);
    expect(() => makeRuntimeDirectory(join(folder, 'shop'), own)).toThrow(/everybody may write to it/);
    writeFileSync(join(folder, 'file'), '');
    expect(() => makeRuntimeDirectory(join(folder, 'file', 'shop'), own)).toThrow(
      expect.objectContaining({ code: 'NOT_WRITABLE' }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
