/**
 * The memory of the control group that this process is in, which under systemd is that of the service: whom the kernel
 * has killed for it, and how much there is. Version 2, and version 1, which counts as well (Linux 4.13).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryGroup {
  /** Processes of the group that were killed for memory, for a limit of this group, of one above it or the machine's. */
  readonly oomKills: number;
  readonly currentBytes: number | null;
  /** Null where it has no limit of its own. */
  readonly maxBytes: number | null;
}

/** Version 1 has its highest number, rounded to pages, where there is no limit. */
const NO_LIMIT = 2 ** 62;

/** Null where nobody counts. `root` is where proc and sys are found. */
export function readMemoryGroup(root = '/'): MemoryGroup | null {
  const groups = read(join(root, 'proc/self/cgroup')) ?? '';
  const first = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m.exec(groups)?.[1];
  if (first !== undefined) {
    const names = ['memory.oom_control', 'memory.usage_in_bytes', 'memory.limit_in_bytes'] as const;
    return inFolder(join(root, 'sys/fs/cgroup/memory', first), names);
  }
  const second = /^0::(\/.*)$/m.exec(groups)?.[1];
  if (second === undefined) return null;
  return inFolder(join(root, 'sys/fs/cgroup', second), ['memory.events', 'memory.current', 'memory.max']);
}

function inFolder(
  folder: string,
  [events, current, max]: readonly [events: string, current: string, max: string],
): MemoryGroup | null {
  const kills = /^oom_kill (\d+)$/m.exec(read(join(folder, events)) ?? '')?.[1];
  if (kills === undefined) return null;
  const limit = bytes(read(join(folder, max)));
  return {
    oomKills: Number(kills),
    currentBytes: bytes(read(join(folder, current))),
    maxBytes: limit === null || limit >= NO_LIMIT ? null : limit,
  };
}

function bytes(text: string | null): number | null {
  const number = Number(text ?? 'none');
  return text === null || !Number.isFinite(number) ? null : number;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
