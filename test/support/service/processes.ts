/** What processes of a service there are, by the folder that all of them have in their environment or command line. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessFacts {
  readonly pid: number;
  readonly parentPid: number;
  readonly state: string;
  readonly command: string;
}

/** Every process whose command line or environment names the marker, zombies of such parents included. */
export function processesNaming(marker: string): ProcessFacts[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => facts(Number(name)) ?? []);
  const ours = all.filter(({ pid }) => names(pid, marker));
  const pids = new Set(ours.map(({ pid }) => pid));
  const zombies = all.filter(({ state, parentPid }) => state === 'Z' && pids.has(parentPid));
  return [...ours, ...zombies.filter(({ pid }) => !pids.has(pid))].filter(({ pid }) => pid !== process.pid);
}

function facts(pid: number): ProcessFacts | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, parentPid: Number(parent), state: state ?? '?', command: readText(`/proc/${pid}/cmdline`) };
  } catch {
    return null;
  }
}

function names(pid: number, marker: string): boolean {
  return readText(`/proc/${pid}/environ`).includes(marker) || readText(`/proc/${pid}/cmdline`).includes(marker);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** Whether there is such a process, which may be stopped, and not only its zombie. */
export function lives(pid: number): boolean {
  const state = facts(pid)?.state;
  return state !== undefined && state !== 'Z';
}

/** How many descriptors a process has open. */
export function descriptorCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
