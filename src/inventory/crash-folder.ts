/** Where crashes are kept in the state directory. */
import { join } from 'node:path';

export const CRASHES_FOLDER = 'crashes';

/** Where Node writes the report of a process that runs out of memory, until it is found there. */
export const crashReports = (stateDirectory: string): string => join(stateDirectory, CRASHES_FOLDER, 'reports');

/** report.<date>.<time>.<pid>.<thread>.<number>.json; null for what is called otherwise. */
export function pidOfReport(name: string): number | null {
  const [, pid] = /^report\.\d+\.\d+\.(\d+)\.\d+\.\d+\.json$/.exec(name) ?? [];
  return pid === undefined ? null : Number(pid);
}
