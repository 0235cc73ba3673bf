/** The facts of a service, for service.ts, from what it says and from /proc. Nothing here throws. */
import { readFileSync } from 'node:fs';
import { ControlClient } from '../control/client.js';
import type { Status } from '../control/messages.js';
import { openFiles } from '../process/open-files.js';
import { VERSION } from '../version.js';
import type { ServiceFacts } from './service.js';
import type { UnitFacts } from './unit.js';

export type Asked = { readonly status: Status | null; readonly problem: ServiceFacts['problem'] };

export async function askService(name: string): Promise<Asked> {
  try {
    return { status: await new ControlClient(name, process.env).status(), problem: null };
  } catch (error) {
    const { code = 'CONTROL_FAILED', message } = error as NodeJS.ErrnoException;
    return { status: null, problem: { code, message } };
  }
}

export function serviceFacts(name: string, { status, problem }: Asked, unit: UnitFacts | null): ServiceFacts {
  return {
    name,
    said:
      status === null
        ? null
        : {
            state: status.state,
            summary: status.summary,
            version: status.supervisor.version,
            configProblem: status.configProblem?.message ?? null,
          },
    problem,
    activeState: unit?.properties.ActiveState ?? null,
    userUnit: unit?.scope === 'user',
    ownVersion: VERSION,
    processes: status === null ? [] : processesOf(status),
  };
}

function processesOf({ supervisor, generations }: Status): ServiceFacts['processes'] {
  const workers = generations.flatMap((generation) => generation.workers);
  const named = [
    { who: 'the supervisor', pid: supervisor.pid },
    ...workers.map(({ slot, pid }) => ({ who: `worker ${slot} (pid ${pid})`, pid })),
  ];
  return named.flatMap(({ who, pid }) => {
    const [open, limit] = [openFiles(pid), softLimit(pid)];
    return open === null || limit === undefined ? [] : [{ who, open, limit }];
  });
}

/** Null is unlimited, undefined unknown; proc_pid_limits(5). */
function softLimit(pid: number): number | null | undefined {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];
    return soft === undefined ? undefined : soft === 'unlimited' ? null : Number(soft);
  } catch {
    return undefined;
  }
}
