import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ConfigFlags } from '../../src/config/keys.js';
import { loadConfig } from '../../src/config/load.js';
import { BatondError } from '../../src/errors.js';
import { argvOf, type Release, resolveRelease } from '../../src/release/release.js';
import { workerEnvironment } from '../../src/release/worker-environment.js';

let root: string;
let bin: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'batond-release-')));
  bin = join(root, 'bin');
  file('bin/node', '', 0o755);
  file('release-1/server.js');
  file('release-2/server.js');
  symlinkSync('release-1', join(root, 'current'));
});

afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, content = '', mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

const point = (target: string) => {
  rmSync(join(root, 'current'));
  symlinkSync(target, join(root, 'current'));
};

/** Of flags, or of the text of a config file in `current`. */
function release(
  from: ConfigFlags | string,
  env: NodeJS.ProcessEnv = { PATH: bin },
  execPath = '/nowhere/node',
): Release {
  const cwd = join(root, 'current');
  if (typeof from === 'string') file('current/batond.toml', from);
  const config = loadConfig({ cwd, flags: typeof from === 'string' ? {} : from, cores: 1 });
  return resolveRelease(config, { env, execPath, now: 7 });
}

function errorOf(attempt: () => unknown): BatondError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof BatondError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

describe('a release', () => {
  test('has every symlink on the way to the app resolved', () => {
    file('release-1/package.json', '{"version": "1.4.0"}');
    expect(release({ entry: 'server.js', args: ['-v'], runtimeArg: ['--smol'], env: ['A=1'] })).toEqual({
      kind: 'node',
      label: 'release-1@1.4.0',
      directory: join(root, 'release-1'),
      program: join(bin, 'node'),
      entry: join(root, 'release-1/server.js'),
      args: ['-v'],
      runtimeArgs: ['--smol'],
      env: { A: '1' },
      resolvedAt: 7,
    });
  });

  test('is another one when the symlink points elsewhere, and the first stays what it was', () => {
    const before = release({ entry: 'server.js' });
    point('release-2');
    expect(release({ entry: 'server.js' })).toMatchObject({
      label: 'release-2',
      entry: join(root, 'release-2/server.js'),
    });
    expect(before).toMatchObject({ entry: join(root, 'release-1/server.js') });
  });

  test('survives being written down', () => {
    const one = release({ entry: 'server.js' });
    expect(JSON.parse(JSON.stringify(one))).toEqual(one);
  });

  test('has an entry outside of its directory too', () => {
    file('other/main.js');
    expect(release({ entry: '../other/main.js' })).toMatchObject({ entry: join(root, 'other/main.js') });
  });

  test('is run with the preload just before the entry', () => {
    const one = release({ entry: 'server.js', args: ['-v'], runtimeArg: ['--smol'] });
    expect(argvOf(one, ['--import', 'p'])).toEqual([
      join(bin, 'node'),
      '--smol',
      '--import',
      'p',
      join(root, 'release-1/server.js'),
      '-v',
    ]);
  });

  test('without its directory is refused', () => {
    const error = errorOf(() => release({ entry: '../bin/node', directory: 'gone' }));
    expect(error.code).toBe('DIRECTORY_NOT_FOUND');
    expect(error.message).toBe(`there is no directory ${root}/current/gone`);
    expect(errorOf(() => release({ entry: 'x', directory: 'server.js' })).message).toBe(
      `there is no directory ${root}/current/server.js`,
    );
  });
});

describe('an entry is found', () => {
  test.each([
    ['as it is', 'a.js', 'a.js', ''],
    ['as it is, whatever its extension', 'a', 'a', ''],
    ['with .js before .mjs', 'a', 'a.js', 'a.mjs'],
    ['with .mjs', 'a', 'a.mjs', 'a.ts'],
    ['with .cjs', 'a', 'a.cjs', ''],
    ['with .ts', 'a', 'a.ts', ''],
    ['as the index of a directory', 'a', 'a/index.js', ''],
    ['as another index', './a/', 'a/index.mjs', ''],
    ['beside a directory of its name', 'a', 'a.js', 'a/index.js'],
  ])('%s', (_, entry, expected, other) => {
    for (const path of [expected, other]) if (path !== '') file(`release-1/${path}`);
    expect(release({ entry })).toMatchObject({ entry: join(root, 'release-1', expected) });
  });

  test.each([
    ['lib/main.js', 'lib/main.js'],
    ['./lib/main', 'lib/main.js'],
    ['lib', 'lib/index.js'],
    ['gone', 'index.js'],
  ])('by the main %s of a package', (main, expected) => {
    file('release-1/package.json', JSON.stringify({ main }));
    file(`release-1/${expected}`);
    expect(release({ entry: '.' })).toMatchObject({ entry: join(root, 'release-1', expected) });
  });

  test.each(['gone.js', 'empty', '/dev/null', 'server.js/x'])('nowhere for %s', (entry) => {
    mkdirSync(join(root, 'release-1/empty'));
    const error = errorOf(() => release({ entry }));
    expect(error.code).toBe('ENTRY_NOT_FOUND');
    expect(error.message).toBe(`there is no entry ${entry.startsWith('/') ? entry : join(root, 'current', entry)}`);
  });
});

describe('a runtime is found', () => {
  test('in PATH, in its order, by the path it has there', () => {
    file('early/bun', '', 0o755);
    symlinkSync('early', join(root, 'linked'));
    file('bin/bun', '', 0o755);
    const PATH = `${root}/gone:${root}/linked:${bin}`;
    expect(release({ entry: 'server.js', runtime: 'bun' }, { PATH }).program).toBe(join(root, 'linked/bun'));
  });

  test('by its path', () => {
    file('release-1/tools/bun', '', 0o755);
    const { program } = release({ entry: 'server.js', runtime: './tools/bun' });
    expect(program).toBe(join(root, 'current/tools/bun'));
  });

  test('in the PATH that the config gives the workers', () => {
    file('mine/bun', '', 0o755);
    const { program } = release({ entry: 'server.js', runtime: 'bun', env: [`PATH=${root}/mine`] });
    expect(program).toBe(join(root, 'mine/bun'));
  });

  test('past one that cannot be executed', () => {
    file('early/node');
    expect(release({ entry: 'server.js' }, { PATH: `${root}/early:${bin}` }).program).toBe(join(bin, 'node'));
  });

  test('as the Node that runs batond where PATH has none', () => {
    const own = join(bin, 'node');
    expect(release({ entry: 'server.js' }, { PATH: join(root, 'gone') }, own).program).toBe(own);
  });

  test('in the directories of systemd where there is no PATH', () => {
    const error = errorOf(() => release({ entry: 'server.js', runtime: 'no-such-runtime' }, {}));
    expect(error.code).toBe('RUNTIME_NOT_FOUND');
    expect(error.message).toBe(
      'there is no runtime no-such-runtime: looked in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin',
    );
  });

  test.each([
    ['../bin/gone', 'no such file'],
    ['../current/server.js', 'not executable'],
    ['../bin/', 'not a file'],
    ['./server.js/x', 'no such file'],
  ])('not at %s: %s', (runtime, obstacle) => {
    const path = join(root, 'current', runtime).replace(/\/$/, '');
    expect(errorOf(() => release({ entry: 'server.js', runtime })).message).toBe(
      `there is no runtime ${path}: looked in ${path} (${obstacle})`,
    );
  });

  test('not in PATH, and what stood in the way there is named', () => {
    file('early/bun');
    expect(
      errorOf(() => release({ entry: 'server.js', runtime: 'bun' }, { PATH: `${root}/early:${bin}` })).message,
    ).toBe(`there is no runtime bun: looked in ${root}/early/bun (not executable), ${bin}`);
  });
});

describe('a command', () => {
  test('given by a path is that of this release', () => {
    file('release-1/bin/real', '', 0o755);
    symlinkSync('real', join(root, 'release-1/bin/server'));
    const one = release('command = ["./bin/server", "-p"]');
    expect(one).toMatchObject({
      kind: 'command',
      label: 'release-1',
      program: join(root, 'release-1/bin/server'),
      args: ['-p'],
    });
    expect(argvOf(one)).toEqual([join(root, 'release-1/bin/server'), '-p']);
    expect(release(`command = ["${root}/current/bin/server"]`).program).toBe(join(root, 'release-1/bin/server'));
  });

  test('given by a name is looked up', () => {
    expect(release('command = ["node"]').program).toBe(join(bin, 'node'));
  });

  test('that is not there is refused', () => {
    expect(errorOf(() => release('command = ["./gone"]')).message).toBe(
      `there is no runtime ./gone: looked in ${root}/release-1/gone (no such file)`,
    );
    expect(errorOf(() => release('command = ["gone"]', { PATH: bin }, join(bin, 'node'))).message).toBe(
      `there is no runtime gone: looked in ${bin}`,
    );
  });
});

describe("a worker's environment", () => {
  test("has nothing of the supervisor's own, and the config's on top", () => {
    const inherited = {
      PATH: '/bin',
      HOME: '/root',
      INVOCATION_ID: 'i',
      RUNTIME_DIRECTORY: '/run/shop',
      STATE_DIRECTORY: '/var/lib/shop',
      LISTEN_PORT: '80',
      GONE: undefined,
      NOTIFY_SOCKET: 'x',
      LISTEN_PID: 'x',
      LISTEN_FDS: 'x',
      LISTEN_FDNAMES: 'x',
      LISTEN_PIDFDID: 'x',
      WATCHDOG_PID: 'x',
      WATCHDOG_USEC: 'x',
      MAINPID: 'x',
      FDSTORE: 'x',
      JOURNAL_STREAM: 'x',
      SYSTEMD_EXEC_PID: 'x',
      BATOND_WORKER: 'x',
      NODE_CHANNEL_FD: 'x',
      NODE_CHANNEL_SERIALIZATION_MODE: 'x',
      NODE_UNIQUE_ID: 'x',
    };
    expect(workerEnvironment({ HOME: '/srv', PORT: '1' }, inherited)).toEqual({
      PATH: '/bin',
      HOME: '/srv',
      INVOCATION_ID: 'i',
      RUNTIME_DIRECTORY: '/run/shop',
      STATE_DIRECTORY: '/var/lib/shop',
      LISTEN_PORT: '80',
      PORT: '1',
    });
  });
});
