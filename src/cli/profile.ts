/**
 * `batond profile`: what a worker spends its time or its memory on. The profile is made where the worker is and kept
 * there; what is told of it is found out here, since a heap snapshot may be larger than the supervisor should ever be.
 */
import { Argument, type Command, Option } from 'commander';
import { parseDuration } from '../config/duration.js';
import type { ControlClient } from '../control/client.js';
import type { ProfileFile, ProfileKind, ProfileLine } from '../control/profile-messages.js';
import { BatondError } from '../errors.js';
import type { CpuSummary } from '../profile/cpu-summary.js';
import type { HeapSummary } from '../profile/heap-summary.js';
import type { StartupSummary } from '../profile/startup-summary.js';
import { print } from './print.js';

interface Flags {
  readonly name?: string;
  readonly config?: string;
  readonly seconds?: string;
  readonly slot?: string;
  readonly all?: boolean;
  readonly output?: string;
  readonly json?: boolean;
}

/** What `batond profile --json` prints: a profile of each worker that was asked, and whose there is none. */
export interface ProfileResult {
  readonly kind: ProfileKind;
  readonly profiles: readonly (ProfileFile & {
    /** Where --output has put a copy; null without it. */
    readonly copy: string | null;
    /** Of a CPU profile. */
    readonly cpu?: CpuSummary;
    /** Of a heap snapshot. */
    readonly heap?: HeapSummary;
    /** Of a start. */
    readonly startup?: StartupSummary;
    /** The line of systemd-analyze blame about its unit; null where there is none. Of a start alone. */
    readonly blame?: string | null;
  })[];
  readonly missing: readonly { readonly worker: string; readonly reason: string }[];
}

export function registerProfile(program: Command, finish: (status: number) => void): void {
  program
    .command('profile')
    .description('show what a worker spends its time or its memory on, or its start')
    .addArgument(
      new Argument('<what>', 'where time goes, what the heap holds, why a start is slow').choices([
        'cpu',
        'heap',
        'startup',
      ]),
    )
    .argument('[name]', 'the service; by default that of batond.toml here, or the only one')
    .option('--name <name>', 'the same')
    .option('--config <file>', 'the configuration that names it')
    .option('--seconds <seconds>', 'how long a profile of time lasts, 300 at most', '10')
    .option('--slot <slot>', 'of this worker; else of the first, and of a heap the idlest')
    .addOption(new Option('--all', 'of every worker, beside each other').conflicts('slot'))
    .option('--output <file>', 'copy the profile there; with --all into that folder')
    .option('--json', 'print what is told of it as JSON, and nothing else')
    .addHelpText(
      'after',
      '\nExamples:\n  batond profile cpu shop --seconds 30\n  batond profile heap shop --output shop.heapsnapshot\n\n' +
        'For a heap the worker stands still, for about a second per 100 MB of it. For\n' +
        'startup one more worker is started, which listens and accepts nothing, and is\n' +
        'ended when it is ready: what the app does at its start it does once more.\n' +
        'The files are for Chrome DevTools: Performance or Memory, "Load profile".\nNo port is opened for them.',
    )
    .action((what: ProfileKind, name: string | undefined, flags: Flags) => run(what, name, flags, finish));
}

async function run(kind: ProfileKind, name: string | undefined, flags: Flags, finish: (status: number) => void) {
  const durationMs = parseSeconds(flags.seconds ?? '10');
  const slot = parseSlot(flags.slot);
  const { ControlClient } = await import('../control/client.js');
  const { serviceName } = await import('./service-name.js');
  const client = new ControlClient(await serviceName(name === undefined ? flags : { ...flags, name }), process.env);
  const files: ProfileFile[] = [];
  const missing: { worker: string; reason: string }[] = [];
  const verdict = await client.profile({ kind, durationMs, slot, all: flags.all === true }, (line: ProfileLine) => {
    if (line.event === 'step' && flags.json !== true) print(`${line.message}\n`, process.stderr);
    else if (line.event === 'file') files.push(line);
    else if (line.event === 'missing') missing.push(line);
  });
  if (!verdict.ok) {
    print(`batond: ${verdict.message}\n`, process.stderr);
    finish(verdict.exitStatus);
    return;
  }
  const { summarized } = await import('./profile-summary.js');
  const { renderProfile } = await import('./profile-words.js');
  files.sort((a, b) => a.worker.localeCompare(b.worker, 'en', { numeric: true }));
  const profiles: ProfileResult['profiles'][number][] = [];
  for (const { worker, process: of, pid, name: file, path, bytes } of files) {
    const copy = copyOf(flags, file);
    const summary = await summarized(kind, await bytesOf(client, file, path), copy);
    const blame = kind === 'startup' ? { blame: await blameOf(client) } : {};
    const one = { worker, process: of, pid, name: file, path, bytes, copy, ...summary, ...blame };
    profiles.push(one);
    if (flags.json !== true) print(renderProfile(one));
  }
  const without = missing.map(({ worker, reason }) => ({ worker, reason }));
  if (flags.json === true) {
    print(`${JSON.stringify({ kind, profiles, missing: without } satisfies ProfileResult, null, 2)}\n`);
  } else for (const { worker, reason } of without) print(`no profile of ${worker}: ${reason}\n`, process.stderr);
}

/** A service that has stopped meanwhile gives nothing more: then the file itself, where one may read it. */
async function bytesOf(client: ControlClient, name: string, path: string): Promise<AsyncIterable<Buffer>> {
  try {
    return await client.profileFile(name);
  } catch (error) {
    const { open } = await import('node:fs/promises');
    const file = await open(path).catch(() => {
      throw error;
    });
    return file.createReadStream() as AsyncIterable<Buffer>;
  }
}

/** What systemd counts of its unit at the last boot, since that is what a start is part of. */
async function blameOf(client: ControlClient): Promise<string | null> {
  const { managedBy } = await client.status();
  if (managedBy === null) return null;
  const { spawnSync } = await import('node:child_process');
  const scope = managedBy.scope === 'user' ? ['--user'] : [];
  const { stdout } = spawnSync('systemd-analyze', [...scope, 'blame', '--no-pager'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return (
    (stdout ?? '')
      .split('\n')
      .find((line) => line.trimEnd().endsWith(` ${managedBy.unit}`))
      ?.trim() ?? null
  );
}

function copyOf({ output, all }: Flags, file: string): string | null {
  if (output === undefined) return null;
  return all === true ? `${output}/${file}` : output;
}

/** "10", and a duration as in the configuration. */
function parseSeconds(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : parseDuration(text);
  if (ms !== null && ms > 0) return Math.max(1, Math.round(ms));
  throw new BatondError('REQUEST_INVALID', { problem: `--seconds ${text}: a number of seconds` });
}

function parseSlot(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new BatondError('REQUEST_INVALID', { problem: `--slot ${text}: the number of a worker, as in batond status` });
}
