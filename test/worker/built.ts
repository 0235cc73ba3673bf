/** The preload runs compiled, in processes of its own: this compiles it where it is older than its source. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const PRELOAD = join(ROOT, 'dist/worker/preload.js');

export function build(): void {
  if (!isStale()) return;
  // Test files run beside each other, and must not read what another is writing.
  const tsc = [process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.json')];
  try {
    execFileSync('flock', [join(tmpdir(), 'batond-test-build.lock'), ...tsc], { stdio: 'pipe' });
  } catch (error) {
    // tsc emits in spite of type errors; whoever checks the types reports them.
    if (isStale()) throw error;
  }
}

function isStale(): boolean {
  const sources = [
    'src/native.ts',
    'src/index.ts',
    'src/checks.ts',
    'src/channel/messages.ts',
    'src/channel/checks.ts',
    'src/health/latency.ts',
  ];
  for (const name of readdirSync(join(ROOT, 'src/worker'))) sources.push(`src/worker/${name}`);
  return sources.some((source) => {
    const output = join(ROOT, source.replace(/^src/, 'dist').replace(/\.ts$/, '.js'));
    return !existsSync(output) || statSync(output).mtimeMs < statSync(join(ROOT, source)).mtimeMs;
  });
}
