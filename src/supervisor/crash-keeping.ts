/**
 * Keeps what is known of one worker that crashed: at once what the supervisor knows and the report that Node has left,
 * then what the journal has of it, which may take seconds: its last lines, and its core dump.
 */
import { type Crash, CrashFiles, crashId } from '../inventory/crash-files.js';
import { coreDumpOf, lastLinesOf } from '../systemd/journal-answers.js';
import type { CrashesHost } from './crashes.js';

/** signal(7): those that make a core, where there may be one. */
const MAKES_CORE: ReadonlySet<string> = new Set([
  ...['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGQUIT', 'SIGSEGV', 'SIGSYS', 'SIGTRAP', 'SIGXCPU', 'SIGXFSZ'],
]);
/** systemd-coredump compresses it first, gigabytes of it if need be. */
const CORE_MS = 30_000;
const LAST_LINES = 20;

/** What the supervisor knows by itself. */
export type Ended = Omit<Crash, 'id' | 'at' | 'folder' | 'report' | 'core'>;

/** Never rejects: a disk that is full is said, and stops nothing. */
export async function keepCrash(ended: Ended, { stateDirectory, log, underJournal }: CrashesHost): Promise<void> {
  const at = new Date();
  const id = crashId(at, ended.generation, ended.slot, ended.pid);
  const files = new CrashFiles(stateDirectory);
  const fields = { event: 'crash-evidence', crash: id, generation: ended.generation, slot: ended.slot, pid: ended.pid };
  const worker = `worker g${ended.generation}s${ended.slot}`;
  try {
    let crash: Crash = files.keep({
      ...ended,
      id,
      at: at.getTime(),
      folder: files.pathOf(id),
      report: null,
      core: null,
    });
    if (underJournal) {
      const asked = ended.signal !== null && MAKES_CORE.has(ended.signal) ? coreDumpOf(ended.pid, CORE_MS) : null;
      const lines = ended.lines ?? (await lastLinesOf(ended.pid, LAST_LINES));
      crash = { ...crash, lines };
      files.update(crash);
      crash = { ...crash, core: await asked };
      files.update(crash);
    }
    const { folder, report, core, process } = crash;
    log.warn(
      { ...fields, process, folder, report, corePid: core?.pid, coreFile: core?.file },
      `the crash of ${worker} is kept in ${folder}${core === null ? '' : `, with the core dump of pid ${core.pid}`}`,
    );
  } catch (error) {
    log.warn({ ...fields, err: error }, `the crash of ${worker} cannot be kept: ${(error as Error).message}`);
  }
}
