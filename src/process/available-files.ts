/** How many descriptors this process may still open, and how many files the machine. */
import { join } from 'node:path';
import { native } from '../native.js';
import type { Available } from './available-memory.js';
import { readText } from './control-groups.js';
import { openFiles } from './open-files.js';

/** By RLIMIT_NOFILE, which a process that it starts inherits; null where there is no limit. */
export function availableDescriptors(): Available | null {
  const limit = native().getRlimit('nofile').soft;
  const open = openFiles(process.pid);
  if (limit === null || open === null) return null;
  return { amount: Math.max(0, limit - open), of: `RLIMIT_NOFILE, ${limit}` };
}

/** By fs.file-max; null where it cannot be read. */
export function availableSystemFiles(root = '/'): Available | null {
  const [open, , limit] = (readText(join(root, 'proc/sys/fs/file-nr')) ?? '').trim().split(/\s+/).map(Number);
  if (open === undefined || limit === undefined || !Number.isFinite(open) || !Number.isFinite(limit)) return null;
  return { amount: Math.max(0, limit - open), of: 'fs.file-max of the machine' };
}
