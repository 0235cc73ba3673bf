/** What batond needs of a machine: judges over facts, which read-machine.ts reads. */
import { about, type Finding, isAtLeast } from './finding.js';

export interface MachineFacts {
  /** "6.1.0-13-amd64" */
  readonly kernel: string;
  /** "v22.1.0" */
  readonly node: string;
  /** ">=20.19", as the package asks for it. */
  readonly neededNode: string;
  /** 0 where there is none. */
  readonly systemd: number;
  /** Why the addon cannot be loaded; null where it can. */
  readonly addonProblem: string | null;
  /** Null, as the next one, where there is no addon to ask with. */
  readonly hasPidfd: boolean | null;
  readonly hasSeals: boolean | null;
  /** 0 where no control groups are. */
  readonly cgroupVersion: 0 | 1 | 2;
  /** Of version 2. */
  readonly controllers: readonly string[];
  readonly somaxconn: number | null;
  /** The longest queue that a listener asks for. */
  readonly backlog: number;
  /** Null where nobody knows. */
  readonly isClockSynchronized: boolean | null;
}

/** Before it, units have no way to say what batond's have to. */
const OLDEST_SYSTEMD = 252;

export function judgeMachine(facts: MachineFacts): Finding[] {
  return [
    judgeKernel(facts),
    judgeNode(facts),
    judgeAddon(facts),
    judgeSystemd(facts),
    judgeCgroup(facts),
    judgeQueue(facts),
    judgeClock(facts),
  ];
}

/** The features themselves are asked for where that is possible: distributions bring some to older kernels. */
export function judgeKernel({ kernel, hasPidfd, hasSeals }: MachineFacts): Finding {
  const { ok, fail } = about('kernel');
  const lacking = [...(hasPidfd === false ? ['pidfds'] : []), ...(hasSeals === false ? ['seals of memfds'] : [])];
  if (lacking.length > 0 || !isAtLeast(kernel, 5, 4)) {
    const what = lacking.length > 0 ? lacking.join(' and no ') : 'waiting for pidfds';
    return fail(`Linux ${kernel} has no ${what}`, 'Boot Linux 5.4 or newer, or let the sandbox pass these calls.');
  }
  if (isAtLeast(kernel, 6, 15)) return ok(`Linux ${kernel}`);
  return ok(`Linux ${kernel}; how an adopted worker has ended is known from 6.15 on, and "unknown" here`);
}

export function judgeNode({ node, neededNode }: MachineFacts): Finding {
  const { ok, fail } = about('Node');
  const wanted = (/\d+(\.\d+)*/.exec(neededNode)?.[0] ?? '').split('.').map(Number);
  if (isAtLeast(node, ...wanted)) return ok(`Node ${node}`);
  return fail(`Node ${node} runs this, and ${neededNode} is needed`, 'Install a newer Node.');
}

export function judgeAddon({ addonProblem }: MachineFacts): Finding {
  const { ok, fail } = about('addon');
  if (addonProblem === null) return ok('is loaded');
  return fail(`cannot be loaded: ${addonProblem}`, 'Run npm rebuild batond --build-from-source, where a compiler is.');
}

export function judgeSystemd({ systemd }: MachineFacts): Finding {
  const { ok, warn } = about('systemd');
  if (systemd === 0) return ok('is not here: batond run is its own stand-in');
  if (systemd < OLDEST_SYSTEMD) {
    return warn(
      `systemd ${systemd} is older than ${OLDEST_SYSTEMD}`,
      'Test a reload and a restart before you rely on it.',
    );
  }
  return ok(`systemd ${systemd}${systemd < 254 ? '; pauses between failing starts get longer from 254 on' : ''}`);
}

export function judgeCgroup({ cgroupVersion, controllers }: MachineFacts): Finding {
  const { ok, warn } = about('cgroup');
  if (cgroupVersion !== 2) {
    return warn(
      `control groups are of ${cgroupVersion === 1 ? 'version 1' : 'no version'}: limits of memory and their victims are not seen`,
      'Boot with systemd.unified_cgroup_hierarchy=1.',
    );
  }
  const lacking = ['memory', 'pids'].filter((name) => !controllers.includes(name));
  if (lacking.length === 0) return ok(`version 2 with ${controllers.join(', ')}`);
  return warn(
    `version 2 without ${lacking.join(' and ')}: such limits of the service are not seen`,
    'Let whoever made this container, or the command line of the kernel, enable them.',
  );
}

export function judgeQueue({ somaxconn, backlog }: MachineFacts): Finding {
  const { ok, warn } = about('queue');
  if (somaxconn === null) return ok('net.core.somaxconn cannot be read here');
  if (somaxconn >= backlog) return ok(`net.core.somaxconn is ${somaxconn}, listeners ask for up to ${backlog}`);
  return warn(
    `listeners ask for ${backlog} waiting connections, net.core.somaxconn cuts it to ${somaxconn}`,
    `Put net.core.somaxconn = ${backlog} into a file of /etc/sysctl.d.`,
  );
}

/** No deadline of batond hangs on the date: what is written down does. */
export function judgeClock({ isClockSynchronized }: MachineFacts): Finding {
  const { ok, warn } = about('clock');
  if (isClockSynchronized === null) return ok('nobody here knows whether it is synchronized; deadlines do not need it');
  if (isClockSynchronized) return ok('is synchronized');
  return warn(
    'is not synchronized: deadlines hold, but the times in journal, history and reports may be wrong',
    'Run timedatectl set-ntp true.',
  );
}
