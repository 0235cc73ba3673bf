/**
 * Processes of a supervisor that died which no other will ever know: programs without a channel that it had started and
 * not yet put on record, and a successor that it had not handed anything to. A Node worker in that place sees its
 * channel close and ends, and so does a successor that is not stopped; these would stay, and accept connections. A hook
 * dies with its supervisor, but what it had started in its session does not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WORKER_ENVIRONMENT } from '../channel/messages.js';
import { native } from '../native.js';
import { Process } from '../process/process.js';
import { TAKEOVER_ENVIRONMENT } from '../takeover/messages.js';

/** Set for a hook, and so for whatever it starts. */
export const HOOK_ENVIRONMENT = 'BATOND_HOOK';

/** SIGTERM to each, and SIGKILL after the deadline. `known` are the pids of the inventory. Returns those that were found. */
export function endStrays(runtimeDirectory: string, known: ReadonlySet<number>, killTimeoutMs: number): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid || known.has(pid)) return [];
    const pidfd = isStray(pid, runtimeDirectory) ? native().pidfdOpen(pid) : null;
    if (pidfd === null) return [];
    new Process(pid, pidfd, () => {}).stop(killTimeoutMs);
    return [pid];
  });
}

/**
 * By what it was started with, proc_pid_environ(5), and only the leader of its session: the rest ends with it. Of a hook
 * only what has lost its leader: a daemon that a hook has left on purpose has a session of its own.
 */
function isStray(pid: number, runtimeDirectory: string): boolean {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const has = (start: string) => variables.some((one) => one.startsWith(start));
    const isCommand = has(`NOTIFY_SOCKET=${join(runtimeDirectory, 'notify-')}`);
    const isOfService = variables.includes(`RUNTIME_DIRECTORY=${runtimeDirectory}`);
    const isSuccessor = isOfService && has(`${TAKEOVER_ENVIRONMENT}=`);
    const isOfHook = isOfService && has(`${HOOK_ENVIRONMENT}=`);
    // One that was started for its profile alone is on no record, and may never turn its loop to see its channel close.
    const isProfiled =
      isOfService && variables.some((one) => one.startsWith(`${WORKER_ENVIRONMENT}=`) && one.includes('"profile":'));
    if (!isCommand && !isSuccessor && !isOfHook && !isProfiled) return false;
    const { session } = statOf(pid);
    return isOfHook ? !isRunning(session) : session === pid;
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    return statOf(pid).state !== 'Z';
  } catch {
    return false;
  }
}

/** The name of a process, in parentheses, may hold anything, proc_pid_stat(5). */
function statOf(pid: number): { state: string; session: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: state!, session: Number(session) };
}
