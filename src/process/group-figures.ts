/**
 * What the kernel counts of the control group that this process is in, which under systemd is that of the service:
 * cgroups(7), Documentation/admin-guide/cgroup-v2. Of version 1 as far as it has the same.
 */
import { join } from 'node:path';
import { type ControlGroup, controlGroups, groupNumber, groupStat, readText } from './control-groups.js';

/** Null is what the kernel does not say, or of a limit that there is none. */
export interface GroupFigures {
  readonly memory: {
    readonly currentBytes: number | null;
    readonly maxBytes: number | null;
    readonly highBytes: number | null;
    /** By name, as in memory.events. */
    readonly events: Readonly<Record<string, number>>;
    /** Seconds in which some task, or all, waited for memory. */
    readonly someSeconds: number | null;
    readonly fullSeconds: number | null;
  };
  readonly cpu: {
    readonly userSeconds: number | null;
    readonly systemSeconds: number | null;
    /** These three only where there is a quota. */
    readonly periods: number | null;
    readonly throttledPeriods: number | null;
    readonly throttledSeconds: number | null;
  };
  readonly tasks: { readonly current: number | null; readonly max: number | null };
}

const EVENTS = ['low', 'high', 'max', 'oom', 'oom_kill'];

/** Version 1 has its highest number, rounded to pages, where there is no limit. */
const NO_LIMIT = 2 ** 62;

/** Of version 1 user and system time are in the ticks of sysconf(3), which are these on every machine that Node runs on. */
const TICKS_A_SECOND = 100;

/** `root` is where proc and sys are found. */
export function groupFigures(root = '/'): GroupFigures {
  const [memory, cpu, tasks] = (['memory', 'cpu', 'pids'] as const).map((name) => controlGroups(name, root)[0]);
  return {
    memory: memory === undefined ? NO_MEMORY : memory.version === 2 ? memoryOf(memory) : oldMemoryOf(memory),
    cpu: cpu === undefined ? NO_CPU : cpuOf(cpu),
    tasks: {
      current: tasks === undefined ? null : groupNumber(tasks, 'pids.current'),
      max: tasks === undefined ? null : groupNumber(tasks, 'pids.max'),
    },
  };
}

const NO_MEMORY: GroupFigures['memory'] = {
  currentBytes: null,
  maxBytes: null,
  highBytes: null,
  events: {},
  someSeconds: null,
  fullSeconds: null,
};

const NO_CPU: GroupFigures['cpu'] = {
  userSeconds: null,
  systemSeconds: null,
  periods: null,
  throttledPeriods: null,
  throttledSeconds: null,
};

function memoryOf(group: ControlGroup): GroupFigures['memory'] {
  const waited = (who: string) => {
    const found = new RegExp(`^${who} .*\\btotal=(\\d+)$`, 'm').exec(
      readText(join(group.folder, 'memory.pressure')) ?? '',
    );
    return found === null ? null : Number(found[1]) / 1e6;
  };
  return {
    currentBytes: groupNumber(group, 'memory.current'),
    maxBytes: groupNumber(group, 'memory.max'),
    highBytes: groupNumber(group, 'memory.high'),
    events: known(EVENTS, (name) => groupStat(group, 'memory.events', name)),
    someSeconds: waited('some'),
    fullSeconds: waited('full'),
  };
}

function oldMemoryOf(group: ControlGroup): GroupFigures['memory'] {
  const limit = groupNumber(group, 'memory.limit_in_bytes');
  const of: Readonly<Record<string, () => number | null>> = {
    max: () => groupNumber(group, 'memory.failcnt'),
    oom_kill: () => groupStat(group, 'memory.oom_control', 'oom_kill'),
  };
  return {
    ...NO_MEMORY,
    currentBytes: groupNumber(group, 'memory.usage_in_bytes'),
    maxBytes: limit === null || limit >= NO_LIMIT ? null : limit,
    events: known(Object.keys(of), (name) => of[name]?.() ?? null),
  };
}

function cpuOf(group: ControlGroup): GroupFigures['cpu'] {
  const isNew = group.version === 2;
  const stat = (name: string, of: number, file = 'cpu.stat') => {
    const found = groupStat(group, file, name);
    return found === null ? null : found / of;
  };
  const periods = stat('nr_periods', 1);
  const hasQuota = periods !== null && periods > 0;
  return {
    userSeconds: isNew ? stat('user_usec', 1e6) : stat('user', TICKS_A_SECOND, 'cpuacct.stat'),
    systemSeconds: isNew ? stat('system_usec', 1e6) : stat('system', TICKS_A_SECOND, 'cpuacct.stat'),
    periods: hasQuota ? periods : null,
    throttledPeriods: hasQuota ? stat('nr_throttled', 1) : null,
    throttledSeconds: !hasQuota ? null : isNew ? stat('throttled_usec', 1e6) : stat('throttled_time', 1e9),
  };
}

function known(names: readonly string[], read: (name: string) => number | null): Record<string, number> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = read(name);
      return value === null ? [] : [[name, value] as const];
    }),
  );
}
