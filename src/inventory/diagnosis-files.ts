/** What supervisors have written that were told to end by SIGQUIT: diagnostics/<date>-<pid>.json of the state directory. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const KEPT_DIAGNOSES = 5;

const NAME = /^\d{8}T\d{6}Z-\d{1,10}\.json$/;

/** The path of the file. Throws what the disk throws. */
export function writeDiagnosis(stateDirectory: string, at: Date, pid: number, facts: object): string {
  const folder = join(stateDirectory, 'diagnostics');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // The names begin with the date: those that sort first are the oldest.
  const before = readdirSync(folder).filter((name) => NAME.test(name));
  for (const name of before.sort().slice(0, -(KEPT_DIAGNOSES - 1))) rmSync(join(folder, name), { force: true });
  const date = at.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  const path = join(folder, `${date}-${pid}.json`);
  writeFileSync(path, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 });
  return path;
}
