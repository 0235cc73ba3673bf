/**
 * Reports on disk: reports/N.json in the state directory, replaced by rename, the last hundred kept. The names are the
 * index. A file that cannot be understood counts as none; what fails to be written is the caller's to tell.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isReport } from './check-report.js';
import type { Report } from './report.js';

export const KEPT_REPORTS = 100;

export class ReportFiles {
  readonly #folder: string;

  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, 'reports');
  }

  /** Ascending. */
  numbers(): number[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder);
    } catch {
      return [];
    }
    return names
      .flatMap((name) => /^([1-9]\d{0,14})\.json$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  read(number: number): Report | null {
    try {
      const report: unknown = JSON.parse(readFileSync(this.#path(number), 'utf8'));
      return isReport(report) && report.number === number ? report : null;
    } catch {
      return null;
    }
  }

  /** Throws what writing it throws. */
  write(report: Report): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
    const path = this.#path(report.number);
    const next = `${path}.${process.pid}`;
    writeFileSync(next, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
    renameSync(next, path);
    for (const number of this.numbers().slice(0, -KEPT_REPORTS)) rmSync(this.#path(number), { force: true });
  }

  #path(number: number): string {
    return join(this.#folder, `${number}.json`);
  }
}
