/**
 * Passes the app's state from the incumbents to the candidates, as sealed files that it never looks into.
 *
 * Incumbents save one after the other: copying a large state stops a process for a while, and the others serve on
 * meanwhile. Candidates restore while the next incumbent saves. The state of worker i of a process goes to
 * candidate i modulo their number. What cannot be had is for the candidate's app to judge: it goes without, or the roll goes back.
 */
import { fstatSync } from 'node:fs';
import type { StateAnswer } from '../channel/messages.js';
import { roughSize } from '../config/size.js';
import { BatondError } from '../errors.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Generation } from '../inventory/generation.js';
import type { StateReport } from '../inventory/report.js';
import type { Phase, Worker } from '../inventory/worker.js';
import type { Log } from '../log.js';
import { type Fd, native } from '../native.js';

/** How often whoever waits hears how far it is. */
const PROGRESS_INTERVAL_MS = 2_000;

/** One that has crashed and starts again has nothing that its predecessor knew. */
const SAVING_PHASES: ReadonlySet<Phase> = new Set(['opening', 'open', 'pausing', 'paused']);

export interface StateTransferOptions {
  readonly from: Generation | null;
  readonly to: Generation;
  /** Of one worker. */
  readonly maxBytes: number;
  /** How long one worker may take to answer, in milliseconds; upgrade.ready_timeout. */
  readonly timeoutMs: number;
  /** Whatever the candidate says: go on without what cannot be had. */
  readonly lenient: boolean;
  readonly log: Log;
  readonly step: (message: string) => void;
  /** Something has moved; so many bytes are in neither process. */
  readonly moved: (report: StateReport, onTheWayBytes: number) => void;
  readonly done: () => void;
  /** The roll has to go back. */
  readonly failed: (event: 'stateLost' | 'timedOut', cause: BatondError) => void;
}

interface Passing {
  readonly giver: Worker;
  /** The place of the giver among the workers of its process, and how many those are. */
  readonly place: number;
  readonly places: number;
  readonly taker: Worker;
  bytes: number;
}

export class StateTransfer implements Disposable {
  readonly #options: StateTransferOptions;
  readonly #waiting: Passing[];
  #saving: Passing | null = null;
  readonly #restoring = new Set<Passing>();
  readonly #total: number;
  readonly #restoreMs = new Map<Worker, number>();
  #workers = 0;
  #bytes = 0;
  #saveMs = 0;
  #lost = 0;
  #deadline: NodeJS.Timeout | null = null;
  #progress: NodeJS.Timeout | null = null;
  #over = false;

  constructor(options: StateTransferOptions) {
    this.#options = options;
    this.#waiting = pairs(options);
    this.#total = this.#waiting.length;
  }

  begin(): void {
    if (this.#total === 0) {
      this.#over = true;
      this.#options.done();
      return;
    }
    this.#options.step(`asking ${this.#total === 1 ? 'a worker' : `${this.#total} workers`} for the app's state`);
    this.#progress = setInterval(() => this.#options.step(this.#describe()), PROGRESS_INTERVAL_MS);
    this.#tell();
    this.#saveNext();
  }

  /** It takes the descriptor. What was asked by another roll, or nobody, is nobody's. */
  answered(worker: Worker, answer: StateAnswer, fd: Fd | null): void {
    using file = fd === null ? null : new Descriptor(fd);
    if (this.#over) return;
    switch (answer.type) {
      case 'saved':
      case 'unsaved': {
        const saving = this.#saving;
        if (saving?.giver !== worker || answer.to !== this.#options.to.number) return;
        if (answer.type === 'saved') this.#saved(saving, answer.ms, file);
        else this.#notSaved(saving, answer.reason, answer.tooLargeBytes);
        return;
      }
      case 'restored':
      case 'unrestored': {
        const passing = [...this.#restoring].find(({ taker, place }) => taker === worker && place === answer.from);
        if (passing === undefined) return;
        if (answer.type === 'restored') this.#restored(passing, answer.ms);
        else this.#notRestored(passing, answer.reason);
      }
    }
  }

  /** An incumbent has ended; what it had saved before is not lost. */
  gone(worker: Worker): void {
    if (this.#over) return;
    for (const one of this.#waiting.filter(({ giver }) => giver === worker)) {
      this.#waiting.splice(this.#waiting.indexOf(one), 1);
      this.#notSaved(one, 'it ended before');
    }
    if (this.#saving?.giver === worker) this.#notSaved(this.#saving, 'it ended meanwhile');
  }

  /** Nothing more is expected, nor heard. */
  [Symbol.dispose](): void {
    this.#over = true;
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    if (this.#progress !== null) clearInterval(this.#progress);
  }

  #saveNext(): void {
    if (this.#over) return;
    this.#arm();
    if (this.#saving !== null) return;
    this.#saving = this.#waiting.shift() ?? null;
    if (this.#saving !== null) this.#saving.giver.save(this.#options.to.number, this.#options.maxBytes);
    else if (this.#restoring.size === 0) this.#finish();
  }

  #saved(passing: Passing, ms: number, file: Descriptor | null): void {
    const wrong = file === null ? null : this.#wrongWith(file.fd);
    if (wrong !== null) {
      this.#notSaved(passing, wrong);
      return;
    }
    this.#saveMs += ms;
    this.#saving = null;
    if (file !== null) {
      passing.bytes = fstatSync(file.fd).size;
      this.#workers++;
      this.#bytes += passing.bytes;
      this.#restoring.add(passing);
      const { giver, place, places } = passing;
      passing.taker.restore({ slot: place, generation: giver.generation }, places, file.fd);
    }
    this.#tell();
    this.#saveNext();
  }

  /** It came from a process that runs the user's code: nobody may change it any more, nor may it be larger than allowed. */
  #wrongWith(fd: Fd): string | null {
    if (!native().memfdIsSealed(fd)) return 'what it passed is not sealed';
    return fstatSync(fd).size > this.#options.maxBytes ? 'what it passed is larger than upgrade.state_max' : null;
  }

  #restored(passing: Passing, ms: number): void {
    this.#restoreMs.set(passing.taker, (this.#restoreMs.get(passing.taker) ?? 0) + ms);
    this.#tell();
    this.#restoring.delete(passing);
    this.#saveNext();
  }

  #notSaved(passing: Passing, reason: string, bytes: number | null = null): void {
    const worker = passing.giver.id;
    if (this.#saving === passing) this.#saving = null;
    this.#goWithout(
      passing,
      bytes === null
        ? new BatondError('STATE_NOT_SAVED', { worker, reason })
        : new BatondError('STATE_TOO_LARGE', { worker, bytes, limitBytes: this.#options.maxBytes }),
    );
  }

  #notRestored(passing: Passing, reason: string): void {
    this.#tell();
    this.#restoring.delete(passing);
    const facts = { worker: passing.taker.id, from: passing.giver.id, reason };
    this.#goWithout(passing, new BatondError('STATE_NOT_RESTORED', facts));
  }

  #goWithout({ taker }: Passing, cause: BatondError): void {
    const { lenient, log, failed } = this.#options;
    if (!lenient && taker.state.restores !== 'empty') {
      this[Symbol.dispose]();
      failed('stateLost', cause);
      return;
    }
    this.#lost++;
    log.warn(
      { event: 'state-lost', code: cause.code, generation: taker.generation, slot: taker.slot },
      `${cause.message}; worker ${taker.id} begins without it`,
    );
    this.#tell();
    this.#saveNext();
  }

  #finish(): void {
    this[Symbol.dispose]();
    const { saveMs, restoreMs } = this.#report();
    const lost = this.#lost === 0 ? '' : `; ${this.#lost} could not be had`;
    this.#options.step(`${this.#amount()} saved in ${saveMs} ms, restored in ${restoreMs} ms${lost}`);
    this.#options.done();
  }

  /** Anew at each answer. A worker that does not save is one that did not; one that still restores cannot be opened. */
  #arm(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    const { timeoutMs, failed } = this.#options;
    const reason = `no answer within ${timeoutMs / 1_000} s (upgrade.ready_timeout)`;
    this.#deadline = setTimeout(() => {
      if (this.#saving !== null) {
        this.#notSaved(this.#saving, reason);
        return;
      }
      const [passing] = this.#restoring;
      this[Symbol.dispose]();
      const facts = { worker: passing?.taker.id, from: passing?.giver.id, reason };
      failed('timedOut', new BatondError('STATE_NOT_RESTORED', facts));
    }, timeoutMs);
  }

  #describe(): string {
    const done = this.#workers - this.#restoring.size;
    return `${this.#amount()} saved, of ${this.#total} to ask; that of ${done} restored`;
  }

  #amount(): string {
    return `state: ${roughSize(this.#bytes)} of ${this.#workers} ${this.#workers === 1 ? 'worker' : 'workers'}`;
  }

  #report(): StateReport {
    const [workers, bytes, lost] = [this.#workers, this.#bytes, this.#lost];
    const [saveMs, restoreMs] = [this.#saveMs, Math.max(0, ...this.#restoreMs.values())].map((ms) => Math.round(ms));
    return { bytes, workers, saveMs: saveMs!, restoreMs: restoreMs!, lost };
  }

  #tell(): void {
    const onTheWay = [...this.#restoring].reduce((sum, { bytes }) => sum + bytes, 0);
    this.#options.moved(this.#report(), onTheWay);
  }
}

function pairs({ from, to }: StateTransferOptions): Passing[] {
  if (from === null) return [];
  const givers = [...from.workers.values()].sort((one, other) => one.slot - other.slot);
  return givers.flatMap((giver) => {
    const { name, slots } = from.processOf(giver.slot);
    const range = to.processes.find((other) => other.name === name && other.tier === 'core');
    if (range === undefined) return [];
    const [place, places] = [slots.indexOf(giver.slot), slots.length];
    if (place === -1) return [];
    const taker = to.workers.get(range.slots[place % range.slots.length]!);
    if (taker === undefined || taker.state.restores === null) return [];
    return giver.state.saves && SAVING_PHASES.has(giver.phase) ? [{ giver, place, places, taker, bytes: 0 }] : [];
  });
}
