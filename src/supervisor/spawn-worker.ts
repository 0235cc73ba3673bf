/**
 * Starts one worker of a release: its channel or notify socket, its streams, its environment, its own session.
 * Either all of it comes to be, or nothing stays behind.
 */
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { CHANNEL_VERSION, WORKER_ENVIRONMENT, type WorkerStart } from '../channel/messages.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Generation } from '../inventory/generation.js';
import type { Listener } from '../inventory/listeners.js';
import { Worker, type WorkerEvents } from '../inventory/worker.js';
import { type Fd, native } from '../native.js';
import { monotonicMs } from '../process/monotonic.js';
import { NotifyListener } from '../process/notify-listener.js';
import { argvOf, type Runnable } from '../release/release.js';
import { workerEnvironment } from '../release/worker-environment.js';
import type { WorkerStreams } from './worker-lines.js';

/** The channel, or the first listener, is the first descriptor after the standard streams. */
const FIRST_FD = 3;

const PRELOAD = new URL('../worker/preload.js', import.meta.url).href;

export interface SpawnContext {
  readonly env: NodeJS.ProcessEnv;
  readonly runtimeDirectory: string;
  /** What the config declares, in its order: other programs find them as LISTEN_FDS. */
  readonly declared: readonly Listener[];
  readonly events: WorkerEvents;
  /** How often a program that is not Node is to say WATCHDOG=1; null where nobody listens for it. */
  readonly watchdogMs: number | null;
  /** See `WorkerStart`. */
  readonly reports?: string | undefined;
  /** The same. */
  readonly datagramsAreEnough: boolean;
  readonly profile?: WorkerStart['profile'];
  /** The standard output and error of a worker. */
  streams(): WorkerStreams;
}

export function spawnWorker(generation: Generation, slot: number, context: SpawnContext): Worker {
  const id = `g${generation.number}s${slot}`;
  using streams = context.streams();
  using stdin = new Descriptor(openSync('/dev/null', 'r'));
  const standard: Standard = { fds: [stdin.fd, streams.stdout, streams.stderr], takePipes: () => streams.takePipes() };
  return generation.processOf(slot).run.kind === 'node'
    ? spawnNode(generation, slot, id, context, standard)
    : spawnCommand(generation, slot, id, context, standard);
}

/** Descriptors 0 to 2, lent, and what is ours of them. */
interface Standard extends Pick<WorkerStreams, 'takePipes'> {
  readonly fds: readonly Fd[];
}

function spawnNode(
  generation: Generation,
  slot: number,
  id: string,
  context: SpawnContext,
  standard: Standard,
): Worker {
  const [ours, theirs] = native().socketpair('seqpacket');
  const mine = new Descriptor(ours);
  using end = new Descriptor(theirs);
  const { run, ready } = generation.processOf(slot);
  const start: WorkerStart = {
    version: CHANNEL_VERSION,
    fd: FIRST_FD,
    ready,
    generation: generation.number,
    slot,
    datagramsAreEnough: context.datagramsAreEnough,
    ...(context.profile === undefined ? {} : { profile: context.profile }),
    ...(context.reports === undefined ? {} : { reports: context.reports }),
  };
  try {
    const spawned = native().spawn({
      file: run.program,
      argv: argvOf(run, ['--import', PRELOAD]),
      env: pairs({ ...environmentOf(run, generation, slot, context), [WORKER_ENVIRONMENT]: JSON.stringify(start) }),
      cwd: generation.release.directory,
      fds: [...standard.fds, end.fd],
      parent: 'self',
      newSession: true,
    });
    const pipes = standard.takePipes();
    const descriptors = { pidfd: spawned.pidfd, channel: mine.take(), notify: null, pipes };
    return new Worker(newRecord(id, generation.number, slot, spawned.pid), descriptors, context.events);
  } catch (error) {
    mine.close();
    throw error;
  }
}

function spawnCommand(
  generation: Generation,
  slot: number,
  id: string,
  context: SpawnContext,
  standard: Standard,
): Worker {
  const path = join(context.runtimeDirectory, `notify-${id}.sock`);
  const notify = new Descriptor(NotifyListener.bind(path));
  try {
    const { run } = generation.processOf(slot);
    const sockets = context.declared.map(({ descriptor }) => descriptor);
    const activation: Record<string, string> =
      sockets.length === 0
        ? {}
        : { LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: context.declared.map(({ name }) => name).join(':') };
    // sd_watchdog_enabled(3): without WATCHDOG_PID it is for whoever is asked.
    const watchdog: Record<string, string> =
      context.watchdogMs === null ? {} : { WATCHDOG_USEC: String(context.watchdogMs * 1_000) };
    const spawned = native().spawn({
      file: run.program,
      argv: argvOf(run),
      env: pairs({ ...environmentOf(run, generation, slot, context), ...activation, ...watchdog, NOTIFY_SOCKET: path }),
      cwd: generation.release.directory,
      fds: [...standard.fds, ...sockets.map((one) => one.fd)],
      parent: 'self',
      newSession: true,
      // sd_listen_fds(3) takes the descriptors only when this names its own pid, which nobody knows before the clone.
      pidVariable: sockets.length === 0 ? undefined : 'LISTEN_PID',
    });
    const pipes = standard.takePipes();
    const descriptors = { pidfd: spawned.pidfd, channel: null, notify: { fd: notify.take(), path }, pipes };
    return new Worker(newRecord(id, generation.number, slot, spawned.pid), descriptors, context.events);
  } catch (error) {
    notify.close();
    throw error;
  }
}

/** That of the process, and on top what the release has for a slot whose dependency refused. */
function environmentOf(
  run: Runnable,
  { release, healing }: Generation,
  slot: number,
  { env }: SpawnContext,
): Record<string, string> {
  const standby = healing.slots.get(slot)?.standby === true ? release.onDependencyFailure : undefined;
  return workerEnvironment({ ...run.env, ...standby }, env);
}

function newRecord(id: string, generation: number, slot: number, pid: number) {
  const startedAtMs = monotonicMs();
  return { id, generation, slot, pid, phase: 'booting' as const, startedAtMs, listening: [], fatal: null };
}

function pairs(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([key, value]) => `${key}=${value}`);
}
