/**
 * The host: the small stand-in for systemd where none manages the service (a terminal, a container, a test). It owns a
 * notify socket, starts the supervisor, follows MAINPID, starts it again when it dies, passes on what it is told by
 * signals, keeps an fd store, and reaps whatever ends below it. The supervisor under it does not know the difference.
 *
 *   host  --clone-->  S1  --CLONE_PARENT-->  S2 (the host's child too)
 *     ^                |                      |
 *     +--- MAINPID=S2 -+      READY=1 --------+
 */
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { Audit } from '../control/audit.js';
import { type EarlySignal, takeSignals } from '../early-signals.js';
import { EXIT } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Log } from '../log.js';
import { native } from '../native.js';
import { supervisorEnvironment } from './environment.js';
import { FdStore } from './fd-store.js';
import { NotifySocket } from './notify-socket.js';
import { isOurChild, Orphans } from './orphans.js';
import type { HostReport } from './report.js';
import { HostWatchdog } from './watchdog.js';

export interface HostOptions {
  readonly name: string;
  /** What starts a supervisor: an absolute path, its argv and its environment. */
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly runtimeDirectory: string;
  readonly stateDirectory: string;
  /** How long a supervisor that was told to stop may take before it is killed. */
  readonly stopTimeoutMs: number;
  /** As FileDescriptorStoreMax= of a unit. */
  readonly fdStoreMax: number;
  /** As WatchdogSec= of a unit, in milliseconds. */
  readonly watchdogMs: number;
  /** Whether it is run at a terminal, and ends with it. */
  readonly terminal: boolean;
  readonly log: Log;
  /** Called once: the service serves, or it ended before it did. */
  readonly report: (report: HostReport) => void;
}

/** The pause before a supervisor that died is started again: doubled at each death that follows soon. */
const RESTART_DELAY_MS = 100;
const RESTART_DELAY_MAX_MS = 10_000;
const STABLE_MS = 10_000;
const MAX_EARLIER = 8;
/** How long a supervisor that is told to stop at once may take for it. */
const STOP_NOW_MS = 2_000;
/** The same of one that writes down first what is the case. */
const QUIT_MS = 10_000;
/** Longer than a worker without a supervisor takes to end by itself, src/worker/orphan.ts. */
const ORPHAN_TIMEOUT_MS = 40_000;

/** Runs until the service is stopped or cannot be started; resolves with the exit status for this process. */
export function runHost(options: HostOptions): Promise<number> {
  return new Promise((resolve) => new Host(options, resolve).start());
}

class Host {
  readonly #options: HostOptions;
  readonly #resolve: (status: number) => void;
  readonly #socket: NotifySocket;
  readonly #orphans: Orphans;
  readonly #store: FdStore;
  readonly #watchdog: HostWatchdog;
  readonly #handlers: readonly [NodeJS.Signals, () => void][];
  /** 0 while none lives. */
  #mainPid = 0;
  /** Main processes before: one that yields still says BARRIER=1. */
  readonly #earlier: number[] = [];
  #ready = false;
  /** The main process has said something, so it listens to signals. */
  #heard = false;
  readonly #unheard = new Set<EarlySignal>();
  /** How often it was told to stop. */
  #asked = 0;
  /** The supervisor has said that it ends for good. */
  #stopping = false;
  #status: number | null = null;
  #startedAt = 0;
  #delayMs = RESTART_DELAY_MS;
  #pause: NodeJS.Timeout | null = null;
  #deadline: NodeJS.Timeout | null = null;
  #lastWords = '';

  constructor(options: HostOptions, resolve: (status: number) => void) {
    this.#options = options;
    this.#resolve = resolve;
    // As PID 1 of a container orphans come to us anyway; anywhere else this asks for them.
    native().setSubreaper(true);
    const { runtimeDirectory, fdStoreMax, log } = options;
    const audit = new Audit(log);
    this.#store = new FdStore(fdStoreMax, log);
    this.#watchdog = new HostWatchdog(
      options.watchdogMs,
      () => this.#socket.read(),
      () => this.#hangs(),
    );
    this.#socket = new NotifySocket(join(runtimeDirectory, 'notify.sock'), {
      mainPid: () => this.#mainPid,
      onForeign: (sender) => {
        if (!this.#earlier.includes(sender.pid)) audit.refused(sender, 'spoke on the notify socket of the host');
      },
      onHeard: () => this.#becameHeard(),
      onMainPid: (pid) => this.#follow(pid),
      onReady: () => this.#becameReady(),
      onStatus: (text) => {
        this.#lastWords = text;
      },
      onStopping: () => {
        this.#stopping = true;
      },
      onWatchdog: () => this.#watchdog.fed(),
      onFdStore: (request, fds) => this.#store.take(request, fds),
    });
    this.#orphans = new Orphans({
      runtimeDirectory,
      notifySocket: this.#socket.path,
      drainTimeoutMs: ORPHAN_TIMEOUT_MS,
    });
    this.#handlers = [
      ['SIGCHLD', () => this.#reap()],
      ['SIGTERM', () => this.#stop()],
      ['SIGINT', () => this.#stop()],
      ['SIGQUIT', () => this.#quit()],
    ];
  }

  start(): void {
    // The signal handlers alone do not keep the loop alive; the notify socket does.
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
    takeSignals((signal) => {
      // Of a terminal it says that the terminal has gone; of a daemon that the configuration is to be read.
      if (signal === 'SIGHUP' && this.#options.terminal) this.#stop();
      else this.#forward(signal);
    });
    try {
      this.#startSupervisor();
    } catch (error) {
      this.#lastWords = `the supervisor could not be started: ${(error as Error).message}`;
      this.#options.log.error({ event: 'start-failed', err: error }, this.#lastWords);
      this.#finish(EXIT.os);
      return;
    }
    this.#reap();
  }

  #startSupervisor(): void {
    const { file, argv, env, cwd, runtimeDirectory, stateDirectory, fdStoreMax, watchdogMs } = this.#options;
    const stored = this.#store.all;
    const said = {
      NOTIFY_SOCKET: this.#socket.path,
      RUNTIME_DIRECTORY: runtimeDirectory,
      STATE_DIRECTORY: stateDirectory,
      WATCHDOG_USEC: String(watchdogMs * 1_000),
    };
    this.#startedAt = performance.now();
    using nothing = new Descriptor(openSync('/dev/null', 'r'));
    const { pid, pidfd } = native().spawn({
      file,
      argv,
      env: supervisorEnvironment(env, said, stored, fdStoreMax),
      cwd,
      pidVariable: stored.length === 0 ? undefined : 'LISTEN_PID',
      fds: [nothing.fd, 1, 2, ...stored.map(({ descriptor }) => descriptor.fd)],
      parent: 'self',
      newSession: true,
    });
    native().close(pidfd);
    this.#mainPid = pid;
  }

  #becameReady(): void {
    if (!this.#ready) this.#options.report({ ready: true, pid: process.pid });
    this.#ready = true;
  }

  /** One that has ended already would never be heard of again: then its predecessor, which ends too, stays the main one. */
  #follow(pid: number): void {
    if (!isOurChild(pid)) return;
    this.#earlier.push(this.#mainPid);
    this.#earlier.splice(0, this.#earlier.length - MAX_EARLIER);
    this.#mainPid = pid;
  }

  /** A supervisor listens from before its first word on; what comes sooner waits for that, one of a kind. */
  #forward(signal: EarlySignal): void {
    if (this.#heard) signalMain(this.#mainPid, signal);
    else this.#unheard.add(signal);
  }

  #becameHeard(): void {
    if (this.#heard) return;
    this.#heard = true;
    for (const signal of this.#unheard) signalMain(this.#mainPid, signal);
    this.#unheard.clear();
  }

  #hangs(): void {
    const { log, watchdogMs } = this.#options;
    log.error(
      { event: 'watchdog', pid: this.#mainPid },
      `the supervisor has given no sign of life for ${watchdogMs} ms: SIGKILL`,
    );
    signalMain(this.#mainPid, 'SIGKILL');
  }

  /** One SIGCHLD may stand for many exits, signal(7), so everything that has ended is reaped each time. */
  #reap(): void {
    for (let child = native().waitAny(); child !== null; child = native().waitAny()) {
      // A supervisor that yielded has named its successor before it ended: that has to be known first.
      this.#socket.read();
      this.#orphans.reaped(child.pid);
      if (child.pid === this.#mainPid) this.#mainEnded(child.code, child.signal);
    }
    if (this.#status !== null) this.#finish(this.#status);
  }

  #mainEnded(code: number | null, signal: number | null): void {
    const { log } = this.#options;
    const how = code === null ? `was killed by signal ${signal}` : `exited with status ${code}`;
    // As SuccessExitStatus= of a unit.
    const status = code === EXIT.done ? EXIT.ok : (code ?? 128 + (signal ?? 0));
    this.#mainPid = 0;
    this.#heard = false;
    this.#watchdog.rest();
    const over = this.#asked > 0 || this.#stopping || !this.#ready;
    this.#orphans.killSuccessors();
    if (over) this.#store.close();
    // What is stored is how the next supervisor adopts the workers: they are no orphans then.
    const stored = this.#store.size;
    const left = stored > 0 ? 0 : this.#orphans.adopt();
    if (this.#asked > 1) this.#orphans.killAll();
    if (!this.#ready && code !== EXIT.software) {
      this.#lastWords = `the supervisor ${how}${this.#lastWords === '' ? '' : ` after it said: ${this.#lastWords}`}`;
    }
    if (over) {
      this.#status = status;
      return;
    }
    log.warn(
      { event: 'supervisor-died', code, signal, left, stored },
      `the supervisor ${how}: starting the next one${left === 0 ? '' : `; its ${left} workers are left to drain`}`,
    );
    const stable = performance.now() - this.#startedAt >= STABLE_MS;
    this.#delayMs = stable ? RESTART_DELAY_MS : Math.min(RESTART_DELAY_MAX_MS, this.#delayMs * 2);
    this.#startLater();
  }

  #startLater(): void {
    this.#pause = setTimeout(() => {
      this.#pause = null;
      try {
        this.#startSupervisor();
      } catch (error) {
        // Memory, pids, or the file is being replaced at this moment: whatever it is, it may pass.
        this.#options.log.error(
          { event: 'start-failed', err: error },
          'the next supervisor could not be started: trying again',
        );
        this.#delayMs = Math.min(RESTART_DELAY_MAX_MS, this.#delayMs * 2);
        this.#startLater();
      }
    }, this.#delayMs);
  }

  /** The first time gracefully, the second time at once; a supervisor that cannot follow is killed. */
  #stop(): void {
    this.#asked++;
    if (this.#mainPid === 0) {
      // Nobody comes who would adopt the workers.
      this.#store.close();
      this.#orphans.adopt();
    }
    if (this.#asked > 1) this.#orphans.killAll();
    if (this.#mainPid === 0) {
      this.#status ??= EXIT.ok;
      this.#finish(this.#status);
      return;
    }
    signalMain(this.#mainPid, 'SIGTERM');
    if (this.#asked > 2) return;
    this.#killAfter(this.#asked > 1 ? STOP_NOW_MS : this.#options.stopTimeoutMs);
  }

  /** As a second stop, but the supervisor writes down first what is the case. */
  #quit(): void {
    if (this.#mainPid === 0 || !this.#heard || this.#asked > 1) {
      this.#asked = Math.max(1, this.#asked);
      this.#stop();
      return;
    }
    this.#asked = 2;
    signalMain(this.#mainPid, 'SIGQUIT');
    this.#killAfter(QUIT_MS);
  }

  #killAfter(timeoutMs: number): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      this.#options.log.error(
        { event: 'kill-supervisor' },
        `the supervisor did not end within ${timeoutMs} ms: SIGKILL`,
      );
      this.#asked = Math.max(2, this.#asked);
      signalMain(this.#mainPid, 'SIGKILL');
    }, timeoutMs);
  }

  /** The end, as soon as nothing of a supervisor that died before is left. */
  #finish(status: number): void {
    if (this.#pause !== null) clearTimeout(this.#pause);
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#store.close();
    this.#watchdog.rest();
    if (this.#orphans.size > 0) return;
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
    if (!this.#ready) this.#options.report({ ready: false, reason: this.#lastWords, exitStatus: status });
    this.#socket.close();
    this.#resolve(status);
  }
}

function signalMain(pid: number, signal: NodeJS.Signals): void {
  try {
    // Never 0, which would be our own group.
    if (pid > 0) process.kill(pid, signal);
  } catch {
    // It has just ended, which SIGCHLD will tell.
  }
}
