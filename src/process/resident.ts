/** The memory of a process in bytes, proc_pid_status(5), which counts in kB whatever a page is; null where it is gone. */
import { readFileSync } from 'node:fs';

export interface Resident {
  readonly bytes: number;
  /** The most that it ever was (VmHWM). */
  readonly highestBytes: number;
}

export function resident(pid: number): Resident | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [bytes, highestBytes] = ['VmRSS', 'VmHWM'].map((name) => {
      const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status);
      return found === null ? null : Number(found[1]) * 1_024;
    });
    // A zombie has no memory, and no such lines.
    return bytes == null || highestBytes == null ? null : { bytes, highestBytes };
  } catch {
    return null;
  }
}

export function residentBytes(pid: number): number | null {
  return resident(pid)?.bytes ?? null;
}
