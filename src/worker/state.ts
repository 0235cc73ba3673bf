/**
 * The app's state, in the worker: calls what the app has registered when the supervisor asks, and says how it went.
 *
 * Nothing in here may throw into the app. A save is superseded by the next: only the latest is answered.
 */
import { inspect } from 'node:util';
import type { StateAnswer, ToWorker } from '../channel/messages.js';
import { Descriptor } from '../inventory/descriptor.js';
import type { Fd } from '../native.js';
import type { StateOrigin, StateSide } from './app-side.js';
import type { Channel } from './channel.js';
import { TooLargeError } from './state-codec.js';
import { readState, writeState } from './state-file.js';

type Save = Extract<ToWorker, { type: 'save' }>;
type Restore = Extract<ToWorker, { type: 'restore' }>;

export class AppState implements StateSide {
  readonly #channel: Channel;
  #give: { readonly call: () => unknown; readonly version: number } | null = null;
  #take: Parameters<StateSide['restore']> | null = null;
  /** The generation that the save under way is for. */
  #savingFor: number | null = null;
  /** Settled when all that came before has been restored. */
  #restored: Promise<void> = Promise.resolve();

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  // What the app says.

  save(give: () => unknown, version: number): void {
    this.#give = { call: give, version };
    this.#sayWhat();
  }

  restore(...take: Parameters<StateSide['restore']>): void {
    this.#take = take;
    this.#sayWhat();
  }

  // What the supervisor asks for.

  async asked({ to, maxBytes }: Save): Promise<void> {
    this.#savingFor = to;
    const since = performance.now();
    try {
      const value = await this.#give?.call();
      if (this.#savingFor !== to) return;
      const saved = value === undefined ? null : await writeState(value, this.#give?.version ?? 0, maxBytes);
      const answer: StateAnswer = { type: 'saved', to, bytes: saved?.bytes ?? 0, ms: performance.now() - since };
      if (this.#savingFor === to) this.#channel.send(answer, saved?.file);
      else saved?.file.close();
    } catch (error) {
      if (this.#savingFor !== to) return;
      const tooLargeBytes = error instanceof TooLargeError ? error.bytes : null;
      this.#channel.send({ type: 'unsaved', to, tooLargeBytes, reason: describe(error) });
    }
  }

  /** Takes the descriptor. One after the other: a second state may be meant to be added to the first. */
  given(message: Restore, fd: Fd): void {
    const file = new Descriptor(fd);
    this.#restored = this.#restored.then(() => this.#restore(message, file));
  }

  async #restore({ from, generation, slots }: Restore, file: Descriptor): Promise<void> {
    const since = performance.now();
    try {
      const { value, version } = readAndClose(file);
      const origin: StateOrigin = { version, generation, slot: from, slots };
      await this.#take?.[0](value, origin);
      this.#channel.send({ type: 'restored', from, ms: performance.now() - since });
    } catch (error) {
      this.#channel.send({ type: 'unrestored', from, reason: describe(error) });
    }
  }

  #sayWhat(): void {
    const restores = this.#take?.[1] ?? null;
    this.#channel.send({ type: 'state', saves: this.#give !== null, restores });
  }
}

function readAndClose(file: Descriptor): ReturnType<typeof readState> {
  try {
    return readState(file.fd);
  } finally {
    file.close();
  }
}

/** How much of a reason is kept from its beginning, and from its end. */
const REASON_ENDS_LENGTH = 200;

/** The app may have thrown anything; V8 says the source of what it cannot clone, and only then that it cannot. */
function describe(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : inspect(error);
  const line = text.replace(/\s+/g, ' ');
  if (line.length <= REASON_ENDS_LENGTH * 2) return line;
  return `${line.slice(0, REASON_ENDS_LENGTH)} … ${line.slice(-REASON_ENDS_LENGTH)}`;
}
