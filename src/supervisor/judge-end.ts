/** How a worker has ended, why, and which rule that falls under: what is known of the process put together. */
import { type Ended, type Rule, ruleFor } from '../healing/rules.js';
import type { Worker } from '../inventory/worker.js';
import type { MemoryGroup } from '../process/memory-group.js';
import { describeExit, type Exit } from '../process/process.js';

export interface End {
  readonly rule: Rule;
  readonly ended: Ended;
  /** "exited with status 100 (config error)", for the middle of a sentence; without what the worker said. */
  readonly how: string;
  /** The exception that it reported, or why it could not be started. */
  readonly said: string | null;
  /** Of the service's control group, where the kernel was out of memory. */
  readonly memory: MemoryGroup | null;
}

/** `takeOomKill` says whether a SIGKILL that is not ours was the kernel's; it is asked at most once for an exit. */
export function judgeEnd(
  worker: Worker,
  exit: Exit,
  serving: boolean,
  own: readonly Rule[],
  takeOomKill: () => MemoryGroup | null,
): End {
  const memory = worker.killedBy === null && exit.signal === 'SIGKILL' ? takeOomKill() : null;
  const cause = worker.killedBy ?? (memory === null ? null : 'oom');
  const ended: Ended = { status: exit.code, signal: exit.signal, cause, serving };
  const rule = ruleFor(ended, own);
  return { rule, ended, how: `${describeExit(exit)}${inBrackets(rule)}`, said: worker.fatal, memory };
}

/** No process could be made: memory, pids, descriptors, or the release is gone. */
export function judgeFailedStart(error: Error, serving: boolean, own: readonly Rule[]): End {
  const ended: Ended = { status: null, signal: null, cause: 'start', serving };
  const rule = ruleFor(ended, own);
  return { rule, ended, how: 'could not be started', said: error.message, memory: null };
}

/** "exited with status 3: Error: the disk is full". */
export function describeEnd({ how, said }: End): string {
  return said === null ? how : `${how}: ${said}`;
}

/** What a status means that has a meaning of its own. Of one that ended well there is nothing to explain. */
function inBrackets({ word, match }: Rule): string {
  return word === null || (match.kind === 'status' && match.status === 0) ? '' : ` (${word})`;
}
