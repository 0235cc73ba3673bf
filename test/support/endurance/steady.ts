/** What a service costs while nothing happens: the figures that must be the same after the thousandth reload. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostedService } from '../service/hosted.js';
import { descriptorCount } from '../service/processes.js';

export interface Steady {
  readonly processes: number;
  readonly supervisorFds: number;
  readonly hostFds: number;
  /** Proportional set size, proc_pid_smaps_rollup(5). */
  readonly supervisorMiB: number;
  readonly hostMiB: number;
  /** In the runtime and the state directory; the reports are kept up to a hundred. */
  readonly files: number;
}

/** What they may grow by: descriptors and processes by nothing, memory by what a garbage collector leaves to chance. */
const MAY_GROW: Steady = {
  processes: 0,
  supervisorFds: 0,
  hostFds: 0,
  supervisorMiB: 16,
  hostMiB: 24,
  files: 0,
};

/** Once its old generations have gone. */
export async function measure(service: HostedService): Promise<Steady> {
  await service.expectNoLeftovers();
  const { supervisor } = await service.status();
  return {
    processes: service.processes().length,
    supervisorFds: descriptorCount(supervisor.pid),
    hostFds: descriptorCount(service.hostPid),
    supervisorMiB: proportionalMiB(supervisor.pid),
    hostMiB: proportionalMiB(service.hostPid),
    files: ['run', 'state'].reduce((sum, name) => sum + readdirSync(join(service.folder, name)).length, 0),
  };
}

/** What has grown beyond its bound, in words; empty where all is well. */
export function grown(first: Steady, last: Steady): string[] {
  return (Object.keys(MAY_GROW) as (keyof Steady)[])
    .filter((key) => last[key] > first[key] + MAY_GROW[key])
    .map((key) => `${key} was ${first[key]} and is ${last[key]}, where ${MAY_GROW[key]} more are allowed`);
}

function proportionalMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Math.round(Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1_024);
}
