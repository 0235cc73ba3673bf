/**
 * Sets up what is missing on a fresh clone: dependencies, the addon, the compiled TypeScript, the manual. Plain Node, since it runs
 * before anything is installed; each step runs only when its result is absent or older than its sources.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the project; ends this process with its status, and with all that it said, when it fails. */
function run(command, args) {
  // A compiler that has nothing to complain about has nothing to say to whoever only wants to see it run.
  const { status, signal, error, output } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['inherit', 'pipe', 'pipe'],
  });
  if (status === 0) return;
  console.error(
    `${output?.join('') ?? ''}\nsetup: ${command} ${args.join(' ')} failed (${error?.message ?? signal ?? `status ${status}`})`,
  );
  process.exit(1);
}

function newestOf(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestOf(join(path, name))));
}

/** Whether a result is absent or older than what it is made of; paths in the project. */
export function isStale(result, sources) {
  const made = statSync(join(ROOT, result), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return made === 0 || sources.some((source) => newestOf(join(ROOT, source)) > made);
}

export function setUp({ force = false } = {}) {
  if (process.platform !== 'linux') {
    console.error(`setup: batond runs on Linux only; this is ${process.platform}`);
    process.exit(1);
  }
  if (isStale('node_modules/.package-lock.json', ['package-lock.json'])) {
    console.log('setup: installing dependencies');
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  if (force || isStale('build/Release/batond.node', ['native', 'binding.gyp'])) {
    console.log('setup: building the addon');
    run('npx', ['--no-install', 'node-gyp', 'rebuild', '--loglevel=error']);
  }
  if (force || isStale('dist/main.js', ['src', 'tsconfig.json', 'scripts/bundle.mjs'])) {
    console.log('setup: compiling');
    // What has errors must not be emitted: it would be newer than its sources, and taken for good the next time.
    rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
    run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.json', '--noEmitOnError']);
    // Older than its sources until all is done.
    utimesSync(join(ROOT, 'dist/main.js'), 0, 0);
    run(process.execPath, ['scripts/bundle.mjs']);
    run('chmod', ['+x', 'dist/main.js']);
    run('touch', ['dist/main.js']);
  }
  if (force || isStale('batond.schema.json', ['dist/main.js', 'README.md', 'scripts/manual.mjs'])) {
    console.log('setup: writing the manual');
    run(process.execPath, ['scripts/manual.mjs']);
  }
  if (!existsSync(join(ROOT, 'dist/main.js'))) process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setUp({ force: process.argv.includes('--build') });
