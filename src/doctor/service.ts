/** Whether a service answers, and how near its processes are to their limits: judges over facts of read-service.ts. */
import { about, type Finding } from './finding.js';

export interface ServiceFacts {
  readonly name: string;
  /** What it says of itself; null where it cannot be asked. */
  readonly said: {
    readonly state: string;
    readonly summary: string;
    readonly version: string;
    readonly configProblem: string | null;
  } | null;
  /** Why it cannot be asked. */
  readonly problem: { readonly code: string; readonly message: string } | null;
  /** Of its unit: "active", "inactive", "failed"...; null where it has none. */
  readonly activeState: string | null;
  readonly userUnit: boolean;
  /** Of the batond that asks. */
  readonly ownVersion: string;
  /** Of the supervisor and the workers that can be looked at. */
  readonly processes: readonly {
    /** "the supervisor", "worker 1 (pid 77)" */
    readonly who: string;
    readonly open: number;
    /** The soft RLIMIT_NOFILE; null is none. */
    readonly limit: number | null;
  }[];
}

export function judgeService(facts: ServiceFacts): Finding[] {
  return [
    judgeAnswer(facts),
    ...(facts.said === null ? [] : [judgeVersion(facts), judgeConfig(facts), judgeFiles(facts)]),
  ];
}

export function judgeAnswer({ name, said, problem, activeState, userUnit }: ServiceFacts): Finding {
  const { ok, warn, fail } = about('service');
  const systemctl = userUnit ? 'systemctl --user' : 'systemctl';
  if (said !== null) {
    return said.state === 'stopping'
      ? warn('is stopping', `Wait, then run ${systemctl} start ${name}.`)
      : ok(said.summary);
  }
  const { code, message } = problem ?? { code: 'NOT_RUNNING', message: `${name} is not running` };
  if (code === 'NO_PERMISSION' || code === 'NOT_PERMITTED') {
    return warn('may not be asked by you', 'Run batond doctor as root, or as the user of the service.');
  }
  if (code !== 'NOT_RUNNING') return fail(message, 'Look into its log, and restart it.');
  if (activeState === 'inactive') return warn('is stopped', `Run ${systemctl} start ${name}.`);
  if (activeState === null)
    return fail(message, `Start it with batond run, or with batond install --name ${name} --now.`);
  return fail(
    `its unit is ${activeState}, and nothing answers on its control socket`,
    `See journalctl -${userUnit ? '-user-' : 'u '}${userUnit ? `unit ${name}` : name} -e for the reason.`,
  );
}

export function judgeVersion({ said, ownVersion }: ServiceFacts): Finding {
  const { ok, warn } = about('version');
  const version = said?.version ?? ownVersion;
  if (version === ownVersion) return ok(`batond ${version} runs it`);
  return warn(
    `batond ${version} runs it, and this is batond ${ownVersion}`,
    'Reload the service: the next supervisor is the installed one.',
  );
}

export function judgeConfig({ said }: ServiceFacts): Finding {
  const { ok, warn } = about('configuration');
  const problem = said?.configProblem ?? null;
  if (problem === null) return ok('is the one in use');
  return warn(`is refused, an earlier one is in use: ${problem}`, 'Mend it, then reload the service.');
}

/** A reload has connections open twice for a moment, and a generation more. */
const NEAR = 0.5;
const FULL = 0.9;

export function judgeFiles({ processes }: ServiceFacts): Finding {
  const { ok, warn, fail } = about('descriptors');
  const shares = processes.map((one) => ({ ...one, share: one.limit === null ? 0 : one.open / one.limit }));
  const [fullest] = shares.sort((a, b) => b.share - a.share);
  if (fullest === undefined) return ok('are not yours to look at');
  const { who, open, limit, share } = fullest;
  const what = `${who} has ${open} descriptors open of at most ${limit ?? 'any number'}`;
  const todo = `Write LimitNOFILE=${Math.max(4_096, open * 4)} into a drop-in of the unit, restart it, then reload it.`;
  if (share >= FULL) return fail(what, todo);
  return share >= NEAR ? warn(`${what}, and a reload may need as many again`, todo) : ok(what);
}
