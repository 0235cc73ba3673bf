#!/usr/bin/env node
/**
 * The start: build the commands, run one, tell how it ended. The only caller of process.exit.
 *
 * Commands load what they need when they run: the start of the supervisor and of `batond reload` is part of every
 * reload. Nothing but the guard and what listens to signals is imported before the guard has been asked, since the rest
 * may be what is broken.
 */
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { listenEarly } from './early-signals.js';
import { beginStart, endStart, OWN_MAIN, STANDS_IN_FOR } from './start-guard.js';

/** EX_SOFTWARE of sysexits.h, which src/errors.ts has too. */
const FAILED = 70;

/** A successor in a takeover is watched by its predecessor. */
const guarded = process.argv[2] === 'run' && process.env.BATOND_TAKEOVER === undefined;

if (process.argv[2] === 'run') listenEarly();

async function main(): Promise<number> {
  if (guarded) {
    const { pauseMs, standIn } = beginStart(OWN_MAIN, process.env);
    if (standIn !== null) {
      process.stderr.write(`batond: ${OWN_MAIN} did not get to serve: ${standIn} runs in its place\n`);
      process.env[STANDS_IN_FOR] = OWN_MAIN;
      await import(pathToFileURL(standIn).href);
      // It is the main file of its own batond, and ends this process when it is done.
      return new Promise<never>(() => {});
    }
    if (pauseMs > 0) await setTimeout(pauseMs);
  }
  const { BatondError } = await import('./errors.js');
  if (process.platform !== 'linux') throw new BatondError('PLATFORM_UNSUPPORTED', { platform: process.platform });
  const { enableCompileCache } = await import('./compile-cache.js');
  enableCompileCache();
  const { runCommand } = await import('./cli/program.js');
  return runCommand(process.argv);
}

function end(status: number): void {
  if (guarded) endStart(status, process.env);
  leave(status);
}

/** What a pipe has not taken yet would be lost by an exit. A supervisor waits for no reader. */
function leave(status: number): void {
  const streams = [process.stdout, process.stderr].filter(({ writableLength }) => writableLength > 0);
  if (process.argv[2] === 'run' || streams.length === 0) process.exit(status);
  // It comes with an error too: nobody reads any more.
  void Promise.all(streams.map((stream) => new Promise((done) => stream.write('', done)))).then(() =>
    process.exit(status),
  );
}

main().then(end, (error: unknown) => {
  const known = error as { code?: unknown; exitStatus?: unknown; message?: unknown };
  if (typeof known.exitStatus === 'number' && typeof known.code === 'string') {
    process.stderr.write(`batond: ${known.message}\n`);
    // The one situation of the table that comes from what has been installed.
    if (known.code === 'ADDON_MISSING') leave(known.exitStatus);
    else end(known.exitStatus);
    return;
  }
  process.stderr.write(`batond: ${error instanceof Error ? error.stack : error}\n`);
  leave(FAILED);
});
