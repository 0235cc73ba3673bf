/**
 * How much memory may still be taken before the kernel kills somebody for it: the machine's, and of each control group
 * above this process that has a limit (memory.max of cgroup v2). File pages that the kernel can drop count as free.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** In bytes; null where nothing is known. `root` is where proc and sys are found. */
export function availableMemoryBytes(root = '/'): number | null {
  const known = [ofMachine(root), ...ofGroups(root)].filter((bytes) => bytes !== null);
  return known.length === 0 ? null : Math.max(0, Math.min(...known));
}

function ofMachine(root: string): number | null {
  const found = /^MemAvailable:\s+(\d+) kB$/m.exec(read(join(root, 'proc/meminfo')) ?? '');
  return found === null ? null : Number(found[1]) * 1_024;
}

function ofGroups(root: string): (number | null)[] {
  const path = /^0::(\/.*)$/m.exec(read(join(root, 'proc/self/cgroup')) ?? '')?.[1];
  if (path === undefined) return [];
  const groups: (number | null)[] = [];
  for (let group = path; ; group = dirname(group)) {
    groups.push(ofGroup(join(root, 'sys/fs/cgroup', group)));
    if (group === '/') return groups;
  }
}

function ofGroup(folder: string): number | null {
  const limit = Number(read(join(folder, 'memory.max')) ?? 'max');
  const current = Number(read(join(folder, 'memory.current')) ?? 'none');
  if (!Number.isFinite(limit) || !Number.isFinite(current)) return null;
  const stat = read(join(folder, 'memory.stat')) ?? '';
  const droppable = ['inactive_file', 'active_file', 'slab_reclaimable'].map((name) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0),
  );
  return limit - current + droppable.reduce((sum, bytes) => sum + bytes, 0);
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
