/**
 * What is kept of workers that ended unasked: crashes/<date>-g<generation>s<slot>-<pid>/ in the state directory, with
 * crash.json and, where Node wrote one, its diagnostic report. The folders are bounded as those of failed candidates.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isCount, isListOf, isNullOr, isNumber, isShape, isText } from '../shape.js';
import { CRASHES_FOLDER, crashReports, pidOfReport } from './crash-folder.js';
import { EvidenceFiles } from './evidence-files.js';

export const KEPT_CRASHES = 20;
export const MAX_CRASH_BYTES = 64 * 2 ** 20;
/** Reports that nobody has claimed: of other processes of the app, or written by the app itself. */
const KEPT_REPORTS = 8;

const FACTS = 'crash.json';
const REPORT = 'report.json';
const ID = /^\d{8}T\d{6}Z-g\d{1,15}s\d{1,4}-\d{1,10}$/;

/** A core dump that systemd-coredump has kept. */
export interface CoreDump {
  /** For `coredumpctl debug`. */
  readonly pid: number;
  /** Null where it is in the journal, or was too large to be kept. */
  readonly file: string | null;
}

/** One crash, without what it said and what is beside it. */
export interface CrashSummary {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly generation: number;
  readonly slot: number;
  /** "main", or the name of a [[service.process]]. */
  readonly process: string;
  readonly pid: number;
  readonly release: string;
  /** "exited with status 1", "was killed by SIGSEGV". */
  readonly how: string;
  /** The exit status; null where a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Why, where more is known: "oom", "liveness", "watchdog", "boot", "channel", or "heap" where V8 ran out of memory. */
  readonly cause: string | null;
  /** The exception that nobody caught, on one line. */
  readonly message: string | null;
  readonly uptimeMs: number;
  /** How many like it there were since the one before, of which nothing was kept. */
  readonly skipped: number;
  readonly core: CoreDump | null;
}

export interface Crash extends CrashSummary {
  readonly stack: string | null;
  /** As the worker said last, or null where it never did. */
  readonly memory: { readonly rssBytes: number; readonly heapUsedBytes: number; readonly agoMs: number } | null;
  /** Of its output, the oldest first; null where nobody has it. */
  readonly lines: readonly string[] | null;
  /** Where the files are. */
  readonly folder: string;
  /** Node's diagnostic report, the path of it. */
  readonly report: string | null;
}

const isCore = isShape<CoreDump>({ pid: isCount, file: isNullOr(isText) });

const isWhole = isShape<Crash>({
  id: isText,
  at: isNumber,
  generation: isCount,
  slot: isCount,
  process: isText,
  pid: isCount,
  release: isText,
  how: isText,
  code: isNullOr(isCount),
  signal: isNullOr(isText),
  cause: isNullOr(isText),
  message: isNullOr(isText),
  uptimeMs: isNumber,
  skipped: isCount,
  core: isNullOr(isCore),
  stack: isNullOr(isText),
  memory: isNullOr(
    isShape<NonNullable<Crash['memory']>>({ rssBytes: isNumber, heapUsedBytes: isNumber, agoMs: isNumber }),
  ),
  lines: isNullOr(isListOf(isText)),
  folder: isText,
  report: isNullOr(isText),
});

export const crashId = (at: Date, generation: number, slot: number, pid: number): string =>
  `${at.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '')}-g${generation}s${slot}-${pid}`;

const isCrash = (value: unknown): value is Crash => isWhole(value);

/** The oldest first. What cannot be read is left out. */
export function readCrashes(stateDirectory: string): Crash[] {
  return idsIn(stateDirectory)
    .flatMap((id) => readCrash(stateDirectory, id) ?? [])
    .sort((a, b) => a.at - b.at);
}

/** Null where there is none of that id. */
export function readCrash(stateDirectory: string, id: string): Crash | null {
  if (!ID.test(id)) return null;
  try {
    const value: unknown = JSON.parse(readFileSync(join(stateDirectory, CRASHES_FOLDER, id, FACTS), 'utf8'));
    return isCrash(value) ? value : null;
  } catch {
    return null;
  }
}

export function summaryOfCrash({ stack, memory, lines, folder, report, ...summary }: Crash): CrashSummary {
  return summary;
}

export class CrashFiles {
  readonly #stateDirectory: string;
  readonly #files: EvidenceFiles;

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory;
    this.#files = new EvidenceFiles(stateDirectory, MAX_CRASH_BYTES, { folder: CRASHES_FOLDER, kept: KEPT_CRASHES });
  }

  pathOf(id: string): string {
    return this.#files.pathOf(id);
  }

  /** A folder with what is known at once, and the report that Node has left. Throws what the disk throws. */
  keep(crash: Crash): Crash {
    this.#files.sweep();
    this.#files.begin(crash.id);
    const report = this.#reportOf(crash.pid);
    const whole = report === null ? crash : { ...crash, report: join(this.pathOf(crash.id), REPORT) };
    const files = new Set([FACTS]);
    if (report !== null) {
      renameSync(report, this.#files.pathFor(crash.id, REPORT));
      files.add(REPORT);
    }
    this.#files.write(crash.id, FACTS, whole);
    this.#files.makeRoom(crash.id, 0);
    this.#files.complete(crash.id, files);
    this.#forgetReports();
    return whole;
  }

  /** With what has become known since. Throws what the disk throws. */
  update(crash: Crash): void {
    const path = join(this.pathOf(crash.id), FACTS);
    const temporary = `${path}.partial`;
    writeFileSync(temporary, `${JSON.stringify(crash, null, 2)}\n`, { mode: 0o600 });
    renameSync(temporary, path);
  }

  #reportOf(pid: number): string | null {
    return this.#reports().find(({ name }) => pidOfReport(name) === pid)?.path ?? null;
  }

  /** Of those that nobody has claimed a few are left. */
  #forgetReports(): void {
    for (const { path } of this.#reports().slice(0, -KEPT_REPORTS)) rmSync(path, { force: true });
  }

  /** The oldest first. */
  #reports(): { readonly name: string; readonly path: string }[] {
    const folder = crashReports(this.#stateDirectory);
    try {
      return readdirSync(folder)
        .filter((name) => pidOfReport(name) !== null)
        .sort()
        .map((name) => ({ name, path: join(folder, name) }));
    } catch {
      return [];
    }
  }
}

function idsIn(stateDirectory: string): string[] {
  try {
    return readdirSync(join(stateDirectory, CRASHES_FOLDER)).filter(
      (name) => ID.test(name) && statSync(join(stateDirectory, CRASHES_FOLDER, name)).isDirectory(),
    );
  } catch {
    return [];
  }
}
