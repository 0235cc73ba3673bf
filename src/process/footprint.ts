/**
 * What a second copy of a program would take, judged by one that runs, with all that it has started: proc_pid_status(5).
 *
 * Of its memory that is the anonymous part, swapped out or not. What is mapped from files (the runtime itself, 50 MiB)
 * both copies share, and what processes share on purpose is not doubled either. /proc/PID/smaps_rollup would say nothing
 * better: it takes milliseconds and the process's own lock, while its traffic waits, and may not be read of all.
 */
import { readdirSync } from 'node:fs';
import { readText } from './control-groups.js';
import { openFiles } from './open-files.js';

export interface Footprint {
  readonly bytes: number;
  /** Processes and threads. */
  readonly tasks: number;
  /** Open descriptors; those that cannot be counted are left out. */
  readonly files: number;
}

/** A worker that has started more than this is judged by so many. */
const MAX_PROCESSES = 1_024;

/** Null where the process is gone or cannot be looked at. */
export function footprint(pid: number): Footprint | null {
  const own = ofProcess(pid);
  if (own === null) return null;
  const all = [own];
  const waiting = children(pid);
  for (let next = waiting.pop(); next !== undefined && all.length < MAX_PROCESSES; next = waiting.pop()) {
    const one = ofProcess(next);
    if (one === null) continue;
    all.push(one);
    waiting.push(...children(next));
  }
  const sum = (of: (one: Footprint) => number) => all.reduce((total, one) => total + of(one), 0);
  return { bytes: sum(({ bytes }) => bytes), tasks: sum(({ tasks }) => tasks), files: sum(({ files }) => files) };
}

/** The process alone: what it has started is nobody's second copy. */
export function ofProcess(pid: number): Footprint | null {
  const status = readText(`/proc/${pid}/status`) ?? '';
  const value = (name: string) => {
    const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status);
    return found === null ? null : Number(found[1]);
  };
  const [anonymous, swapped, tasks] = ['RssAnon', 'VmSwap', 'Threads'].map(value);
  // A zombie has no memory, and no such line.
  if (anonymous == null || tasks == null) return null;
  return { bytes: (anonymous + (swapped ?? 0)) * 1_024, tasks, files: openFiles(pid) ?? 0 };
}

/** By thread, since each has children of its own. */
function children(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
      const text = readText(`/proc/${pid}/task/${task}/children`)?.trim() ?? '';
      return text === '' ? [] : text.split(' ').map(Number);
    });
  } catch {
    return [];
  }
}
