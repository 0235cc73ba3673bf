#!/usr/bin/env node
/**
 * The start: build the commands, run one, tell how it ended. The only caller of process.exit.
 *
 * Commands load what they need when they run: the start of the supervisor and of `batond reload` is part of every
 * reload.
 */
import { enableCompileCache } from './compile-cache.js';
import { BatondError, EXIT } from './errors.js';

async function main(): Promise<number> {
  if (process.platform !== 'linux') throw new BatondError('PLATFORM_UNSUPPORTED', { platform: process.platform });
  enableCompileCache();
  const { runCommand } = await import('./cli/program.js');
  return runCommand(process.argv);
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    const known = error as { code?: unknown; exitStatus?: unknown; message?: unknown };
    if (typeof known.exitStatus === 'number' && typeof known.code === 'string') {
      process.stderr.write(`batond: ${known.message}\n`);
      process.exit(known.exitStatus);
    }
    process.stderr.write(`batond: ${error instanceof Error ? error.stack : error}\n`);
    process.exit(EXIT.software);
  },
);
