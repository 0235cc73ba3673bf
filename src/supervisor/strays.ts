/**
 * Programs without a channel that a supervisor had started and not yet put on record when it died. A Node worker in
 * that place sees its channel close and ends; these would accept connections for ever, beside those that are known.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../native.js';
import { Process } from '../process/process.js';

/** SIGTERM to each, and SIGKILL after the deadline. `known` are the pids of the inventory. Returns those that were found. */
export function endStrays(runtimeDirectory: string, known: ReadonlySet<number>, killTimeoutMs: number): number[] {
  const mark = `NOTIFY_SOCKET=${join(runtimeDirectory, 'notify-')}`;
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || known.has(pid) || !isStray(pid, mark)) return [];
    const pidfd = native().pidfdOpen(pid);
    if (pidfd === null) return [];
    new Process(pid, pidfd, () => {}).stop(killTimeoutMs);
    return [pid];
  });
}

/** By what it was started with, proc_pid_environ(5), and only the leader of its session: the rest ends with it. */
function isStray(pid: number, mark: string): boolean {
  try {
    if (
      !readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .some((one) => one.startsWith(mark))
    )
      return false;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]) === pid;
  } catch {
    return false;
  }
}
