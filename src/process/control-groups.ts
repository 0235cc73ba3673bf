/**
 * The control groups that this process is in, from its own to the root, each of which may set a limit: cgroups(7). Where
 * the controller is still one of version 1, its own hierarchy is the one that counts.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface ControlGroup {
  readonly version: 1 | 2;
  /** Absolute. It may not be there: a container sees only a part of what its groups are called. */
  readonly folder: string;
  /** "shop.service". */
  readonly name: string;
}

/** The innermost first; empty where nothing is known. `root` is where proc and sys are found. */
export function controlGroups(controller: 'cpu' | 'memory' | 'pids', root = '/'): ControlGroup[] {
  const lines = (readText(join(root, 'proc/self/cgroup')) ?? '').split('\n');
  const split = lines.map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line)?.slice(1) as [string, string] | undefined);
  const old = split.find((one) => one?.[0].split(',').includes(controller));
  const path = (old ?? split.find((one) => one?.[0] === ''))?.[1];
  if (path === undefined) return [];
  const top = old === undefined ? 'sys/fs/cgroup' : `sys/fs/cgroup/${controller}`;
  const groups: ControlGroup[] = [];
  for (let group = path; ; group = dirname(group)) {
    const name = group === '/' ? 'its control group' : basename(group);
    groups.push({ version: old === undefined ? 2 : 1, folder: join(root, top, group), name });
    if (group === '/') return groups;
  }
}

/** The number in a file of a group; null where there is none, which is also what "max" is. */
export function groupNumber({ folder }: ControlGroup, file: string): number | null {
  const text = readText(join(folder, file))?.trim() ?? '';
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** One value of a file with a "name number" a line; null where it is not there. */
export function groupStat({ folder }: ControlGroup, file: string, name: string): number | null {
  const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(readText(join(folder, file)) ?? '');
  return found === null ? null : Number(found[1]);
}

/** Null where it cannot be read. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
