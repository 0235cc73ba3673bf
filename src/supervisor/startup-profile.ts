/**
 * Why a release is slow to start: one more worker of what serves, profiled from its first instruction until it is ready
 * and ended then. It is gated as a candidate is, so it listens and accepts nothing, and it is in no inventory: no roll, no
 * health, no report and no restart knows of it. When its supervisor dies it sees its channel close, and the next one
 * looks for what may not (strays.ts). What it prints is nobody's.
 */
import { openSync } from 'node:fs';
import type { ProfileFile } from '../control/profile-messages.js';
import { BatondError } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import { Generation } from '../inventory/generation.js';
import { isDatagram } from '../inventory/listeners.js';
import { type ProfileFiles, profileName } from '../inventory/profile-files.js';
import type { Worker, WorkerEvents } from '../inventory/worker.js';
import { native } from '../native.js';
import { describeExit } from '../process/process.js';
import type { Situation } from './situation.js';
import { spawnWorker } from './spawn-worker.js';

/** From its readiness to its file. */
const WRITE_MS = 10_000;

export interface StartupHost {
  readonly situation: Situation;
  readonly files: ProfileFiles;
  /** Whether a reload is under way. */
  readonly busy: boolean;
  /** On record is what has changed: the worker must not have a listener that nobody would know of. */
  settle(): void;
}

export class StartupProfile {
  readonly #host: StartupHost;
  readonly #generation: Generation;
  readonly #slot: number;
  #worker: Worker | null = null;
  #failed: (error: Error) => void = () => {};
  readonly #failure: Promise<never>;

  /** Throws PROFILE_REFUSED. */
  constructor(host: StartupHost, slot: number | null) {
    const { incumbent } = host.situation.inventory;
    const refuse = (reason: string) => new BatondError('PROFILE_REFUSED', { reason });
    if (incumbent === null) throw refuse('nothing serves');
    if (host.busy) throw refuse('a reload is under way, and would be slower beside another worker that starts');
    const range = slot === null ? incumbent.processes[0] : incumbent.processOf(slot);
    if (slot !== null && !incumbent.slots.includes(slot)) throw refuse(`there is no slot ${slot}`);
    if (range.tier !== 'core') throw refuse(`${range.name} is auxiliary, and must never run twice`);
    if (range.run.kind !== 'node') throw refuse(`${range.name} is no Node program`);
    this.#host = host;
    const { number, release, ready, slots, scaled } = incumbent.record;
    const ranges = scaled === undefined ? { slots } : { slots, scaled };
    const nobody = { committedAtMs: null, drainUntilMs: null, claims: [], crashes: [], workers: [] };
    this.#generation = new Generation({ number, release, ready, ...ranges, role: 'candidate', ...nobody });
    this.#slot = slot ?? (range.slots[0] as number);
    this.#failure = new Promise<never>((_resolve, reject) => {
      this.#failed = reject;
    });
    this.#failure.catch(() => {});
  }

  get worker(): string {
    return `g${this.#generation.number}s${this.#slot}`;
  }

  /** There is no more time for it. */
  end(reason: string): void {
    this.#failed(new Error(reason));
    this.#worker?.process.kill();
  }

  /** Rejects with why there is none; `begun` is told its pid. */
  async run(begun: (pid: number) => void): Promise<ProfileFile> {
    const { files, situation } = this.#host;
    const { config } = situation;
    const name = profileName(new Date(), this.worker, 'startup.cpuprofile');
    try {
      const path = files.begin(name);
      files.makeRoom(0);
      const worker = this.#start(path, files.leftBytes());
      this.#worker = worker;
      const { pid } = worker.process;
      begun(pid);
      const timeoutMs = config.upgrade.readyTimeoutMs + WRITE_MS;
      const answer = await Promise.race([worker.startup(timeoutMs), this.#failure]);
      // Its exit ends the question too, a moment before its reason is known.
      if (answer === null && !worker.process.alive) await this.#failure;
      if (answer === null) throw new Error(`it was not ready within upgrade.ready_timeout (${timeoutMs / 1_000} s)`);
      if (answer.bytes === null) throw new Error(answer.reason);
      const bytes = files.complete(name);
      const process = this.#generation.processOf(this.#slot).name;
      return { worker: worker.id, process, pid, name, path: files.pathOf(name), bytes };
    } catch (error) {
      files.discard(name);
      throw error;
    } finally {
      this.#worker?.process.stop(config.stop.killTimeoutMs);
    }
  }

  #start(path: string, maxBytes: number): Worker {
    const { inventory, options } = this.#host.situation;
    return spawnWorker(this.#generation, this.#slot, {
      env: options.env,
      runtimeDirectory: options.paths.runtimeDirectory,
      declared: [],
      events: this.#events,
      watchdogMs: null,
      datagramsAreEnough: inventory.listeners.all().every(isDatagram),
      profile: { path, maxBytes },
      streams: () => {
        const nowhere = new Descriptor(openSync('/dev/null', 'w'));
        const { fd } = nowhere;
        return { stdout: fd, stderr: fd, takePipes: () => null, [Symbol.dispose]: () => nowhere.close() };
      },
    });
  }

  get #events(): WorkerEvents {
    const { situation, settle } = this.#host;
    return {
      onListen: (worker, id, address, backlog) => {
        // Mostly what its like have already; what only it has is closed when listeners are swept.
        void situation.inventory.listeners
          .acquire(address, backlog)
          .then(({ name, descriptor }) => {
            settle();
            worker.answerListen(id, name, descriptor.fd);
          })
          .catch((error: NodeJS.ErrnoException) => worker.refuseListen(id, error.code ?? 'EINVAL'));
      },
      onState: (_worker, _answer, file) => {
        if (file !== null) native().close(file);
      },
      onExit: (worker, exit) => {
        this.#failed(new Error(worker.fatal?.split('\n')[0] ?? `it ${describeExit(exit)} before it was ready`));
        situation.inventory.sweepListeners();
        settle();
      },
      onPhase: () => {},
      onListening: () => {},
      onUnlisten: () => {},
      onForeign: () => {},
      readLines: () => {
        throw new Error('it has no pipes');
      },
    };
  }
}
