/** How many descriptors a process has open, proc_pid_fd(5); null where it is gone or is not ours to look at. */
import { readdirSync, statSync } from 'node:fs';

export function openFiles(pid: number): number | null {
  const folder = `/proc/${pid}/fd`;
  try {
    // Since Linux 6.2 the size of the folder is the count; a worker may have ten thousand, and listing them takes time.
    return statSync(folder).size || readdirSync(folder).length;
  } catch {
    return null;
  }
}
