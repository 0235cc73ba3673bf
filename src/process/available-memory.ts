/**
 * How much memory may still be taken before the kernel kills somebody for it: the machine's, and of each control group
 * above this process that has a limit. File pages that the kernel can drop count as free; swap does not, since what has
 * to be swapped out to fit does not fit.
 */
import { join } from 'node:path';
import { type ControlGroup, controlGroups, groupNumber, groupStat, readText } from './control-groups.js';

export interface Available {
  readonly amount: number;
  /** Whose limit it is: "memory.max of shop.service". */
  readonly of: string;
}

/** In bytes; null where nothing is known. `root` is where proc and sys are found. */
export function availableMemoryBytes(root = '/'): number | null {
  return availableMemory(root)?.amount ?? null;
}

/** The tightest of all limits, in bytes; null where nothing is known. */
export function availableMemory(root = '/'): Available | null {
  const known = [ofMachine(root), ...controlGroups('memory', root).map(ofGroup)].filter((one) => one !== null);
  return tightest(known);
}

export function tightest(all: readonly Available[]): Available | null {
  return all.reduce<Available | null>(
    (least, one) => (least === null || one.amount < least.amount ? one : least),
    null,
  );
}

function ofMachine(root: string): Available | null {
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(readText(join(root, 'proc/meminfo')) ?? '');
  return found === null ? null : { amount: Number(found[1]) * 1_024, of: 'the machine' };
}

/** What the two versions call the same. In version 1 the figures of a group hold for itself alone but for "total_". */
const FILES = {
  1: { limit: 'memory.limit_in_bytes', current: 'memory.usage_in_bytes', prefix: 'total_' },
  2: { limit: 'memory.max', current: 'memory.current', prefix: '' },
} as const;

function ofGroup(group: ControlGroup): Available | null {
  const files = FILES[group.version];
  const limit = groupNumber(group, files.limit);
  const current = groupNumber(group, files.current);
  if (limit === null || current === null) return null;
  const droppable = ['inactive_file', 'active_file', 'slab_reclaimable'].reduce(
    (sum, name) => sum + (groupStat(group, 'memory.stat', `${files.prefix}${name}`) ?? 0),
    0,
  );
  return { amount: Math.max(0, limit - current + droppable), of: `${files.limit} of ${group.name}` };
}
