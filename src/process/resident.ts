/** The resident set of a process in bytes, proc_pid_status(5), which counts in kB whatever a page is; null where it is gone. */
import { readFileSync } from 'node:fs';

export function residentBytes(pid: number): number | null {
  try {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    // A zombie has no memory, and no such line.
    return found === null ? null : Number(found[1]) * 1_024;
  } catch {
    return null;
  }
}
