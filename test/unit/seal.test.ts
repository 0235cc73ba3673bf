/** What a seal sees: every way to tamper with a release, and that what is sealed alike has the same bytes. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sealRelease } from '../../src/release/seal.js';
import { decodeSeal, encodeSeal, SEAL_FILE, SIGNATURE_FILE } from '../../src/release/seal-format.js';
import { writeKeyPair } from '../../src/release/signature.js';
import { verifyRelease } from '../../src/release/verify.js';

let folder: string;
let root: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'batond-seal-')));
  root = join(folder, 'r7');
  file('server.js', 'serve()');
  file('package.json', '{}');
  file('node_modules/dep/index.js', 'dep()');
  file('node_modules/dep/cli.js', '#!/usr/bin/env node', 0o755);
  mkdirSync(join(root, 'node_modules/.bin'));
  symlinkSync('../dep/cli.js', join(root, 'node_modules/.bin/dep'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function file(path: string, content = '', mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

const seal = (without: string[] = [], keyFile: string | null = null) => sealRelease(root, { keyFile, without });
const verify = (publicKey: string | null = null, required: string[] = []) =>
  verifyRelease(root, { publicKey, required });
const relink = (path: string, target: string) => {
  rmSync(join(root, path));
  symlinkSync(target, join(root, path));
};

describe('a sealed release', () => {
  test('is as it was sealed', () => {
    expect(seal()).toMatchObject({ files: 4, links: 1, signed: false });
    expect(verify(null, [join(root, 'server.js')])).toEqual({ files: 4, links: 1, signed: false });
  });

  test('is checked by coreutils too, whatever its files are called', () => {
    file('back\\slash', 'a');
    file('two\nlines', 'b');
    file(' space and\ttab\u2028', 'c');
    seal();
    const printed = execFileSync('sha256sum', ['--strict', '-c', SEAL_FILE], { cwd: root, encoding: 'utf8' });
    expect(printed.match(/: OK$/gm)).toHaveLength(7);
    expect(verify().files).toBe(7);
  });

  test('has the same seal when it is sealed again, or elsewhere in another order', () => {
    seal();
    const first = readFileSync(join(root, SEAL_FILE));
    seal();
    expect(readFileSync(join(root, SEAL_FILE))).toEqual(first);
    const was = root;
    root = join(folder, 'copy');
    symlink('node_modules/.bin/dep', '../dep/cli.js');
    for (const path of ['server.js', 'node_modules/dep/index.js', 'package.json']) {
      file(path, readFileSync(join(was, path), 'utf8'));
    }
    file('node_modules/dep/cli.js', '#!/usr/bin/env node', 0o700);
    seal();
    expect(readFileSync(join(root, SEAL_FILE))).toEqual(first);
  });

  test('may change where its seal leaves something out, and nowhere else', () => {
    file('uploads/old.png');
    seal(['uploads', 'tmp/pid']);
    file('uploads/new.png');
    file('tmp/pid', '77');
    expect(verify().files).toBe(4);
    file('uploads2/new.png');
    expect(() => verify()).toThrow('uploads2/new.png (not in the seal)');
  });

  test('of 1,000 files names the first few that are wrong, and counts the rest', () => {
    for (let n = 100; n < 1_100; n++) file(`many/${n}`, String(n));
    seal();
    let told = 0;
    verifyRelease(root, { publicKey: null, required: [], onProgress: () => told++ });
    expect(told).toBe(1_004);
    for (let n = 200; n < 250; n++) file(`many/${n}`, 'xxx');
    expect(() => verify()).toThrow(
      'release r7 is not as it was sealed: many/200 (changed), many/201 (changed), many/202 (changed) and 47 more',
    );
  });
});

function symlink(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

describe('tampering', () => {
  test.each<[string, () => void, string]>([
    ['another content of the same length', () => file('server.js', 'serveX)'), 'server.js (changed)'],
    ['another length', () => file('server.js', 'serve();'), 'server.js (changed)'],
    ['a file that is gone', () => rmSync(join(root, 'package.json')), 'package.json (missing)'],
    [
      'a file more, deep in node_modules',
      () => file('node_modules/dep/x.js'),
      'node_modules/dep/x.js (not in the seal)',
    ],
    ['a hidden file more', () => file('.env'), '.env (not in the seal)'],
    ['a seal in a folder below', () => file(`lib/${SEAL_FILE}`), `lib/${SEAL_FILE} (not in the seal)`],
    ['an executable bit more', () => chmodSync(join(root, 'server.js'), 0o755), 'server.js (executable)'],
    [
      'an executable bit less',
      () => chmodSync(join(root, 'node_modules/dep/cli.js'), 0o644),
      'node_modules/dep/cli.js (not executable any more)',
    ],
    [
      'a symlink with another target',
      () => relink('node_modules/.bin/dep', '../dep/index.js'),
      'node_modules/.bin/dep (points to ../dep/index.js)',
    ],
    [
      'a symlink that leads out',
      () => relink('node_modules/.bin/dep', '/bin/sh'),
      'node_modules/.bin/dep (leads out of the release, to /bin/sh)',
    ],
    [
      'a file in place of a symlink',
      () => {
        rmSync(join(root, 'node_modules/.bin/dep'));
        file('node_modules/.bin/dep', '#!/usr/bin/env node', 0o755);
      },
      'node_modules/.bin/dep (of another kind)',
    ],
    [
      'a symlink in place of a file',
      () => relink('server.js', 'package.json'),
      'server.js (a symlink in place of a file)',
    ],
    [
      'a symlink in place of a folder',
      () => {
        renameSync(join(root, 'node_modules/dep'), join(folder, 'dep'));
        symlinkSync(join(folder, 'dep'), join(root, 'node_modules/dep'));
      },
      'node_modules/dep (not in the seal)',
    ],
    ['a pipe', () => execFileSync('mkfifo', [join(root, 'pipe')]), 'pipe (not in the seal)'],
  ])('%s is seen', (_what, tamper, named) => {
    seal();
    tamper();
    expect(() => verify()).toThrow(expect.objectContaining({ code: 'RELEASE_CHANGED' }));
    expect(() => verify()).toThrow(named);
  });

  test.each<[string, () => void, string]>([
    ['none', () => rmSync(join(root, SEAL_FILE)), 'there is none'],
    ['an empty one', () => file(SEAL_FILE, ''), 'line 1 is not'],
    ['one of another version', () => file(SEAL_FILE, '# batond seal 2\n'), 'line 1 is not'],
    [
      'half of one',
      () => file(SEAL_FILE, readFileSync(join(root, SEAL_FILE), 'utf8').slice(0, -9)),
      'its end is missing',
    ],
    ['one cut between lines', () => file(SEAL_FILE, '# batond seal 1\n#file 3 -\n'), 'its end is missing'],
    ['one with a path outside', () => file(SEAL_FILE, '# batond seal 1\n#without ../x\n'), 'names a path outside'],
    ['one that leaves all of it out', () => file(SEAL_FILE, '# batond seal 1\n#without .\n'), 'names a path outside'],
  ])('of a seal: %s counts as not sealed', (_what, tamper, reason) => {
    seal();
    tamper();
    expect(() => verify()).toThrow(expect.objectContaining({ code: 'RELEASE_NOT_SEALED' }));
    expect(() => verify()).toThrow(reason);
  });

  test('what would be run must be part of the seal', () => {
    file('tmp/evil.js');
    seal(['tmp']);
    for (const path of [join(root, 'tmp/evil.js'), join(folder, 'elsewhere.js')]) {
      expect(() => verify(null, [path])).toThrow(`${path}, which would be run, is not part of it`);
    }
  });
});

describe('a signature', () => {
  const key = () => join(folder, 'shop.key');

  beforeEach(() => writeKeyPair(key()));

  test('is that of the key, and openssl agrees', () => {
    expect(seal([], key())).toMatchObject({ signed: true });
    expect(verify(`${key()}.pub`)).toMatchObject({ signed: true });
    const args = ['pkeyutl', '-verify', '-pubin', '-inkey', `${key()}.pub`, '-rawin', '-in', SEAL_FILE];
    expect(execFileSync('openssl', [...args, '-sigfile', SIGNATURE_FILE], { cwd: root, encoding: 'utf8' })).toContain(
      'Verified Successfully',
    );
  });

  test('may be made with a key of openssl', () => {
    const theirs = join(folder, 'openssl.pem');
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', theirs]);
    execFileSync('openssl', ['pkey', '-in', theirs, '-pubout', '-out', `${theirs}.pub`]);
    seal([], theirs);
    expect(verify(`${theirs}.pub`)).toMatchObject({ signed: true });
  });

  test('of another key is refused', () => {
    writeKeyPair(join(folder, 'other.key'));
    seal([], join(folder, 'other.key'));
    expect(() => verify(`${key()}.pub`)).toThrow(expect.objectContaining({ code: 'SIGNATURE_WRONG' }));
  });

  test('does not outlast a change of the seal, nor a seal that was made anew without a key', () => {
    seal([], key());
    const before = readFileSync(join(root, SIGNATURE_FILE));
    file('server.js', 'evil()');
    seal();
    expect(existsSync(join(root, SIGNATURE_FILE))).toBe(false);
    expect(() => verify(`${key()}.pub`)).toThrow(expect.objectContaining({ code: 'RELEASE_NOT_SEALED' }));
    writeFileSync(join(root, SIGNATURE_FILE), before);
    expect(() => verify(`${key()}.pub`)).toThrow(expect.objectContaining({ code: 'SIGNATURE_WRONG' }));
  });

  test.each([
    ['a file that is not there', (path: string) => path],
    [
      'no key',
      (path: string) => {
        writeFileSync(path, 'hello');
        return path;
      },
    ],
    [
      'a key of another kind',
      (path: string) => {
        execFileSync('openssl', ['genpkey', '-algorithm', 'x25519', '-out', path]);
        return path;
      },
    ],
  ])('needs a key that can be used, and %s is not', (_what, make) => {
    const path = make(join(folder, 'bad.key'));
    expect(() => seal([], path)).toThrow(expect.objectContaining({ code: 'KEY_UNUSABLE' }));
    seal([], key());
    expect(() => verify(path)).toThrow(expect.objectContaining({ code: 'KEY_UNUSABLE' }));
  });

  test('never writes over a key', () => {
    expect(() => writeKeyPair(key())).toThrow(expect.objectContaining({ code: 'NOT_WRITABLE' }));
  });
});

describe('cannot be sealed', () => {
  test.each<[string, () => void, string[], string]>([
    ['a symlink that leads out', () => symlink('uploads', '/srv'), [], 'the symlink uploads leads out of it, to /srv'],
    [
      'one that leads out through another',
      () => {
        symlink('a/b/up', '../..');
        symlink('a/out', 'b/up/../r8');
      },
      [],
      'the symlink a/out leads out',
    ],
    ['a pipe', () => execFileSync('mkfifo', [join(root, 'pipe')]), [], 'pipe is neither a file nor a symlink'],
    ['what is left out by a path outside', () => {}, ['../r8'], '../r8 is no path inside of it'],
  ])('%s', (_what, make, without, reason) => {
    mkdirSync(join(folder, 'r8'));
    make();
    expect(() => seal(without)).toThrow(expect.objectContaining({ code: 'RELEASE_NOT_SEALABLE' }));
    expect(() => seal(without)).toThrow(reason);
    expect(existsSync(join(root, SEAL_FILE))).toBe(false);
  });
});

test('a seal is read as it was written', () => {
  const all = {
    files: new Map([
      ['a\\b', { sha256: '0'.repeat(64), bytes: 0, executable: true }],
      ['c\td\ne', { sha256: 'f'.repeat(64), bytes: 12, executable: false }],
    ]),
    links: new Map([['l\tm', '..\n\\x']]),
    without: ['t\n', 'u/v'],
  };
  expect(decodeSeal(encodeSeal(all))).toEqual(all);
});
