/**
 * Settings of an app that change while it runs: a file, read, checked by the app's schema and frozen, as one, each time
 * it is another. What is refused leaves the last good one. One reading at a time, and one more after it for what happened
 * meanwhile, so the last one is always that of the file.
 */
import { EventEmitter } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { FileWatch } from '../config/file-watch.js';
import { BatondError } from '../errors.js';
import { NotParsed, parseSettings } from './parse-settings.js';
import type { Frozen, OutputOf, SchemaIssue, StandardSchema } from './standard-schema.js';

export interface WatchOptions {
  /** In place of JSON (or TOML, by the ending of the name): gets the text, gives the value, or a promise of it. */
  readonly parse?: (text: string) => unknown;
}

/** What is wrong with a file, in one place of it. */
export interface SettingsIssue {
  readonly message: string;
  /** Of what the file says; empty where it is the file as a whole. */
  readonly path: readonly (string | number)[];
  /** From 1; null where nobody knows. */
  readonly line: number | null;
}

export interface SettingsProblem extends Error {
  readonly code: 'SETTINGS_UNREADABLE' | 'SETTINGS_INVALID';
  readonly issues: readonly SettingsIssue[];
}

interface Events<T> {
  change: [next: Frozen<T>, before: Frozen<T>];
  invalid: [problem: SettingsProblem];
}

/** More than settings can need. */
const MAX_BYTES = 16 * 2 ** 20;
/** A file that is written all the time is read as it is in the end. */
const MAX_READS = 5;

export class Settings<T> {
  readonly file: string;
  readonly #schema: StandardSchema<T>;
  readonly #parse: WatchOptions['parse'];
  readonly #events = new EventEmitter();
  readonly #watch: FileWatch;
  #current: { readonly value: Frozen<T>; readonly text: string } | null = null;
  #problem: SettingsProblem | null = null;
  #reading = false;
  #again = false;
  #closed = false;

  /** For `watchSettings`, which gives it away when it has been read once. */
  constructor(file: string, schema: StandardSchema<T>, { parse }: WatchOptions) {
    this.file = file;
    this.#schema = schema;
    this.#parse = parse;
    // Before the first reading: what is written after it is heard.
    this.#watch = new FileWatch(file, {
      changed: () => void this.#changed(),
      failed: (error) =>
        process.emitWarning(`${file} cannot be watched (${error.message}): it is looked at every 30 s`, {
          code: 'BATOND_SETTINGS',
        }),
    });
  }

  /** The last good ones: frozen, and never changed, so what was taken out of it stays of one moment. */
  get current(): Frozen<T> {
    return this.#current!.value;
  }

  /** Why they are not what the file says; null where they are. */
  get problem(): SettingsProblem | null {
    return this.#problem;
  }

  on<Name extends keyof Events<T>>(name: Name, listener: (...args: Events<T>[Name]) => void): this {
    this.#events.on(name, listener as (...args: unknown[]) => void);
    return this;
  }

  once<Name extends keyof Events<T>>(name: Name, listener: (...args: Events<T>[Name]) => void): this {
    this.#events.once(name, listener as (...args: unknown[]) => void);
    return this;
  }

  off<Name extends keyof Events<T>>(name: Name, listener: (...args: Events<T>[Name]) => void): this {
    this.#events.off(name, listener as (...args: unknown[]) => void);
    return this;
  }

  /** Nothing is read or told any more; `current` stays. */
  close(): void {
    this.#closed = true;
    this.#watch.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The first reading: throws SETTINGS_UNREADABLE and SETTINGS_INVALID. */
  async begin(): Promise<void> {
    const text = readWhole(this.file);
    this.#current = { value: await this.#check(text), text };
  }

  async #changed(): Promise<void> {
    if (this.#current === null || this.#reading) {
      this.#again = this.#reading;
      return;
    }
    this.#reading = true;
    do {
      this.#again = false;
      await this.#read();
    } while (this.#again && !this.#closed);
    this.#reading = false;
  }

  async #read(): Promise<void> {
    const before = this.#current!;
    try {
      const text = readWhole(this.file);
      const value = text === before.text ? before.value : await this.#check(text);
      if (this.#closed) return;
      this.#problem = null;
      if (value === before.value) return;
      const isOther = !isDeepStrictEqual(value, before.value);
      this.#current = { value: isOther ? value : before.value, text };
      if (isOther) this.#tell('change', value, before.value);
    } catch (error) {
      if (this.#closed) return;
      if (!isProblem(error)) throw error;
      const isNew = this.#problem?.message !== error.message;
      this.#problem = error;
      if (isNew) this.#complain(error);
    }
  }

  async #check(text: string): Promise<Frozen<T>> {
    const parsed = await parseSettings(text, this.file, this.#parse).catch((error: unknown) => {
      if (!(error instanceof NotParsed)) throw error;
      throw invalid(this.file, [{ message: error.message, path: [], line: error.line }], error);
    });
    const result = await this.#schema['~standard'].validate(parsed.value);
    if (result.issues === undefined) return freeze(result.value) as Frozen<T>;
    const issues = result.issues.map(async (issue) => {
      const path = pathOf(issue);
      return { message: issue.message, path, line: await parsed.lineOf(path) };
    });
    throw invalid(this.file, await Promise.all(issues));
  }

  /** What nobody listens for is not to be lost without a word. */
  #complain(problem: SettingsProblem): void {
    if (this.#events.listenerCount('invalid') > 0) this.#tell('invalid', problem);
    else process.emitWarning(`${problem.message}: the settings stay as they are`, { code: 'BATOND_SETTINGS' });
  }

  /** A listener that throws is an exception of the app's, and keeps nobody else from hearing of it later. */
  #tell(name: keyof Events<T>, ...args: unknown[]): void {
    try {
      this.#events.emit(name, ...args);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** Rejects with SETTINGS_UNREADABLE or SETTINGS_INVALID where there are no good settings to begin with. */
export async function watchSettings<Schema extends StandardSchema>(
  file: string | URL,
  schema: Schema,
  options: WatchOptions = {},
): Promise<Settings<OutputOf<Schema>>> {
  const path = typeof file === 'string' ? resolve(file) : fileURLToPath(file);
  const settings = new Settings(path, schema as StandardSchema<OutputOf<Schema>>, options);
  try {
    await settings.begin();
    return settings;
  } catch (error) {
    settings.close();
    throw error;
  }
}

/** Of one moment: a file that was written while it was read is read again. */
function readWhole(file: string): string {
  try {
    for (let reads = 1; ; reads++) {
      const fd = openSync(file, 'r');
      try {
        const before = fstatSync(fd, { bigint: true });
        if (before.size > BigInt(MAX_BYTES)) throw new Error(`it is larger than ${MAX_BYTES / 2 ** 20} MiB`);
        const bytes = readFileSync(fd);
        const after = fstatSync(fd, { bigint: true });
        const isWhole = before.mtimeNs === after.mtimeNs && before.size === after.size;
        if (isWhole || reads === MAX_READS) return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      } finally {
        closeSync(fd);
      }
    }
  } catch (error) {
    const { message } = error as Error;
    const issues: SettingsIssue[] = [{ message, path: [], line: null }];
    const problem = new BatondError('SETTINGS_UNREADABLE', { file, reason: message }, error);
    throw Object.assign(problem, { issues });
  }
}

function invalid(file: string, issues: readonly SettingsIssue[], cause?: unknown): SettingsProblem {
  const lines = issues.map(({ message, path, line }) => {
    const where = line === null ? file : `${file}:${line}`;
    return `${where}: ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`;
  });
  const problem = new BatondError('SETTINGS_INVALID', { problem: lines.join('\n') }, cause);
  return Object.assign(problem, { issues }) as unknown as SettingsProblem;
}

function isProblem(error: unknown): error is SettingsProblem {
  return error instanceof BatondError && (error.code === 'SETTINGS_INVALID' || error.code === 'SETTINGS_UNREADABLE');
}

/** A symbol is the name of nothing in a file. */
function pathOf({ path = [] }: SchemaIssue): (string | number)[] {
  return path.map((part) => {
    const key = typeof part === 'object' ? part.key : part;
    return typeof key === 'symbol' ? String(key) : key;
  });
}

/** Plain objects and lists; what has a class of its own is its class's business, and bytes cannot be frozen. */
function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
  return value;
}
