/** Programs in a lab run compiled: this compiles the project where its output is older than its sources. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DIST = join(ROOT, 'dist');

export function compile(): void {
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
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return sources.some((source) => {
    const output = statSync(join(DIST, source.replace(/\.ts$/, '.js')), { throwIfNoEntry: false });
    return output === undefined || output.mtimeMs < statSync(join(ROOT, 'src', source)).mtimeMs;
  });
}
