/**
 * The addon built with AddressSanitizer and UndefinedBehaviorSanitizer, in a folder of its own, and what a Node process
 * needs in its environment to load it. Node itself is not built with them: the library has to be there before it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isStale, ROOT } from './setup.mjs';

const FOLDER = join(ROOT, 'build-sanitized');
const FLAGS = '-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined';

/** Why it cannot be built here; null where it can. */
export function sanitizersMissing() {
  if (spawnSync('g++', ['--version']).status !== 0) return 'there is no g++';
  const missing = ['libasan.so', 'libubsan.so'].filter((name) => libraryOf(name) === null);
  return missing.length === 0 ? null : `g++ has no ${missing.join(' and no ')}`;
}

/** Builds it where it is absent or old; throws with what the compiler said. */
export function buildSanitized() {
  if (!isStale('build-sanitized/build/Release/batond.node', ['native', 'binding.gyp', 'scripts/sanitized.mjs'])) return;
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  for (const name of ['native', 'binding.gyp', 'package.json', 'node_modules']) {
    symlinkSync(join(ROOT, name), join(FOLDER, name));
  }
  // By npx, as for the normal build: npm's configuration says where the headers of Node are.
  const gyp = ['--no-install', 'node-gyp', 'rebuild', '--loglevel=error', `--directory=${FOLDER}`];
  const { status, output, error } = spawnSync('npx', gyp, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, CXX: 'g++', CXXFLAGS: FLAGS, LDFLAGS: '-fsanitize=address,undefined' },
  });
  if (status !== 0) throw new Error(error?.message ?? output.join(''));
}

/** The environment of a Node process in which node-gyp-build finds that addon. */
export function sanitizedEnvironment() {
  return {
    ...process.env,
    // node-gyp-build looks there in place of the package's own folder.
    BATOND_PREBUILD: FOLDER,
    LD_PRELOAD: `${libraryOf('libasan.so')} ${libraryOf('libubsan.so')}`,
    // Node ends without freeing what lives as long as it does, so leaks are for the rounds to find. V8 has handlers and
    // stacks of its own.
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99:handle_segv=0:use_sigaltstack=0',
    UBSAN_OPTIONS: 'print_stacktrace=1:exitcode=99',
  };
}

function libraryOf(name) {
  const path = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim() ?? '';
  return path.startsWith('/') && existsSync(path) && statSync(path).isFile() ? path : null;
}
