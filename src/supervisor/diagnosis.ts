/**
 * SIGQUIT: what there is to know of this supervisor, written down before everything is ended. Loaded for that alone.
 */
import { setTimeout } from 'node:timers/promises';
import type { Status } from '../control/messages.js';
import { writeDiagnosis } from '../inventory/diagnosis-files.js';
import type { Log } from '../log.js';
import { VERSION } from '../version.js';

/** The status asks the workers, and one who says SIGQUIT does not want to wait for those. */
const STATUS_MS = 1_000;

export interface DiagnosisHost {
  readonly stateDirectory: string;
  readonly log: Log;
  status(): Promise<Status>;
  /** What the machines stand at, by their names. */
  machines(): Readonly<Record<string, unknown>>;
}

/** Resolves when there is nothing more to write, whether or not that went well. */
export async function diagnose({ stateDirectory, log, status, machines }: DiagnosisHost): Promise<void> {
  const at = new Date();
  try {
    const standing = machines();
    const said = await Promise.race([
      status().catch((error: Error) => ({ error: error.message })),
      setTimeout(STATUS_MS, { error: `no answer of the workers within ${STATUS_MS} ms` }),
    ]);
    const facts = { at: at.toISOString(), version: VERSION, machines: standing, status: said, node: nodeReport() };
    const path = writeDiagnosis(stateDirectory, at, process.pid, facts);
    log.error({ event: 'quit', path }, `ended by SIGQUIT: what was the case is in ${path}`);
  } catch (error) {
    const { message } = error as Error;
    log.error(
      { event: 'quit', err: error },
      `ended by SIGQUIT: what was the case could not be written down: ${message}`,
    );
  }
}

/** Without the environment, which has secrets, and without asking a name server who is connected, which may take long. */
function nodeReport(): object {
  const { report } = process as unknown as { report: { excludeNetwork?: boolean; getReport(): unknown } };
  report.excludeNetwork = true;
  const { environmentVariables: _secrets, ...rest } = report.getReport() as { environmentVariables?: unknown };
  return rest;
}
