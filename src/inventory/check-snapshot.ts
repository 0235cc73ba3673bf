/**
 * Says whether a snapshot is one that `Inventory.restore` can follow, before anything is restored from it: after `yours`
 * there is nobody left to go back to.
 */

import type { ListenAddress, StateAbility } from '../channel/messages.js';
import { RULE_STATES, type RuleRecord } from '../circuit/rule.js';
import { isOutcome } from '../control/check-line.js';
import type { Restart } from '../healing/budget.js';
import { CAUSES } from '../healing/rules.js';
import type { AgeRecord } from '../health/growth.js';
import { LEVELS } from '../health/levels.js';
import type { Trust } from '../health/trust.js';
import type { LedgerRecord, Occurrence } from '../metrics/ledger.js';
import type { Target } from '../release/current.js';
import type { Release, ReleaseProcess } from '../release/release.js';
import type { Scaled } from '../release/slots.js';
import {
  isAbsentOr,
  isCount,
  isCountText,
  isFlag,
  isListOf,
  isMapOf,
  isNullOr,
  isNumber,
  isOneOf,
  isShape,
  isText,
} from '../shape.js';
import type { AdminRecord } from './admin-socket.js';
import type { Attempt, AttemptKind } from './attempt.js';
import { isReport } from './check-report.js';
import type { GenerationRecord, HealthRecord, Hurry } from './generation.js';
import type { HealingRecord, SlotRecord } from './healing.js';
import type { Secrets, Snapshot } from './inventory.js';
import type { ListenerRecord } from './listeners.js';
import type { OpenReport, ReporterRecord } from './report.js';
import type { SocketFile } from './socket-file.js';
import type { Phase, WorkerRecord } from './worker.js';

const PHASES: Readonly<Record<Phase, true>> = {
  booting: true,
  ready: true,
  trusted: true,
  opening: true,
  open: true,
  pausing: true,
  paused: true,
  draining: true,
  drained: true,
  stopping: true,
};

const NODE = { kind: isOneOf('node'), entry: isText, runtimeArgs: isListOf(isText) };
const COMMAND = { kind: isOneOf('command') };
const EXECUTED = {
  program: isText,
  args: isListOf(isText),
  env: isMapOf(isText),
};
const BESIDE = {
  ...EXECUTED,
  name: isText,
  tier: isOneOf('core', 'auxiliary'),
  ready: isOneOf('listen', 'notify', 'load'),
  workers: isCount,
};
const isNodeProcess = isShape<Extract<ReleaseProcess, { kind: 'node' }>>({ ...BESIDE, ...NODE });
const isCommandProcess = isShape<Extract<ReleaseProcess, { kind: 'command' }>>({ ...BESIDE, ...COMMAND });
const COMMON = {
  ...EXECUTED,
  label: isText,
  directory: isText,
  onDependencyFailure: isAbsentOr(isMapOf(isText)),
  root: isAbsentOr(isText),
  processes: isAbsentOr(isListOf((value) => isNodeProcess(value) || isCommandProcess(value))),
  resolvedAt: isNumber,
};
const isNodeRelease = isShape<Extract<Release, { kind: 'node' }>>({ ...COMMON, ...NODE });
const isCommandRelease = isShape<Extract<Release, { kind: 'command' }>>({ ...COMMON, ...COMMAND });

export const isRelease = (value: unknown): value is Release => isNodeRelease(value) || isCommandRelease(value);

type Address<Kind> = Extract<ListenAddress, { kind: Kind }>;
const isTcp = isShape<Address<'tcp'>>({
  kind: isOneOf('tcp'),
  host: isNullOr(isText),
  port: isCount,
  ipv6Only: isFlag,
  reusePort: isFlag,
  ordinal: isCount,
});
const isUnix = isShape<Address<'unix'>>({ kind: isOneOf('unix'), path: isText });
const isUdp = isShape<Address<'udp'>>({
  kind: isOneOf('udp'),
  host: isText,
  port: isCount,
  ipv6Only: isFlag,
  reuseAddress: isFlag,
});

const isFile = isShape<SocketFile>({ path: isText, id: isText, keep: isNullOr(isText) });

const isListener = isShape<ListenerRecord>({
  name: isText,
  address: isNullOr((value) => isTcp(value) || isUnix(value) || isUdp(value)),
  origin: isOneOf('asked', 'declared', 'systemd'),
  file: isNullOr(isFile),
  canary: isAbsentOr(isOneOf('none', 'kept', 'lost')),
});

type ListenOf<Kind> = Extract<AdminRecord['listen'], { kind: Kind }>;
const isListenTcp = isShape<ListenOf<'tcp'>>({ kind: isOneOf('tcp'), host: isNullOr(isText), port: isCount });
const isListenUnix = isShape<ListenOf<'unix'>>({ kind: isOneOf('unix'), path: isText });
const isAdminRecord = isShape<AdminRecord>({
  listen: (value) => isListenTcp(value) || isListenUnix(value),
  file: isNullOr(isFile),
});

/** kill(2) of -1 would reach every process there is, and of 0 our own group. */
const isPid = (value: unknown) => isCount(value) && (value as number) > 1;

const isWorker = isShape<WorkerRecord>({
  id: isText,
  generation: isCount,
  slot: isCount,
  pid: isPid,
  phase: isOneOf(...Object.keys(PHASES)),
  startedAtMs: isNumber,
  listening: isListOf(isText),
  fatal: isNullOr(isText),
  killedBy: isAbsentOr(isNullOr(isOneOf(...CAUSES))),
  heldBack: isAbsentOr(isFlag),
  said: isAbsentOr(isNullOr(isText)),
  state: isAbsentOr(isShape<StateAbility>({ saves: isFlag, restores: isNullOr(isOneOf('rollback', 'empty')) })),
  canaries: isAbsentOr(isFlag),
  accepts: isAbsentOr(isOneOf('all', 'main', 'canary')),
  checks: isAbsentOr(isListOf(isText)),
  piped: isAbsentOr(isFlag),
});

const isRestart = isShape<Restart>({ atMs: isNumber, isCrash: isFlag });

const isHealing = isShape<HealingRecord>({
  listened: isFlag,
  slots: isListOf(
    isShape<SlotRecord>({
      slot: isCount,
      rest: isNullOr(isOneOf('waiting', 'kept', 'done')),
      standby: isFlag,
      waits: isCount,
      rule: isText,
      reason: isText,
      sinceMs: isNumber,
      dueAtMs: isNullOr(isNumber),
    }),
  ),
  restarts: isListOf(isRestart),
  auxiliaryRestarts: isAbsentOr(isListOf(isRestart)),
});

const isTrust = isShape<Trust>({ healthyMs: isNumber, upMs: isNumber, atMs: isNumber, healthy: isFlag });
const isSlotHealth = isShape<HealthRecord['slots'][number]>({
  slot: isCount,
  level: isOneOf(...LEVELS),
  failures: isListOf(isNumber),
  poor: isListOf(isNumber),
  good: isCount,
});

const isGeneration = isShape<GenerationRecord>({
  number: isCount,
  role: isOneOf('candidate', 'incumbent', 'draining'),
  release: isRelease,
  ready: isOneOf('listen', 'notify', 'load'),
  slots: isCount,
  scaled: isAbsentOr(
    isListOf(isShape<Scaled>({ process: isText, slots: isListOf(isCount), leaving: isListOf(isCount) })),
  ),
  committedAtMs: isNullOr(isNumber),
  drainUntilMs: isNullOr(isNumber),
  hurry: isAbsentOr(isNullOr(isShape<Hurry>({ termAtMs: isNumber, killAtMs: isNumber }))),
  claims: isListOf(isShape<GenerationRecord['claims'][number]>({ listener: isText, slots: isListOf(isCount) })),
  crashes: isListOf(isShape<GenerationRecord['crashes'][number]>({ slot: isCount, inARow: isCount })),
  healing: isAbsentOr(isHealing),
  health: isAbsentOr(
    isShape<HealthRecord>({ slots: isListOf(isSlotHealth), trust: isTrust, unhealthySinceMs: isNullOr(isNumber) }),
  ),
  workers: isListOf(isWorker),
});

const isOpenReport = isShape<OpenReport>({
  report: isReport,
  sinceMs: isNumber,
  phase: isNullOr(isShape<NonNullable<OpenReport['phase']>>({ name: isText, sinceMs: isNumber })),
  drainSinceMs: isMapOf(isNumber, isCountText),
});

const isRule = isShape<RuleRecord>({
  when: isText,
  state: isOneOf(...RULE_STATES),
  sinceMs: isNumber,
  weight: isCount,
  due: isNullOr(isOneOf('run', 'run_over')),
});

const isPatient = isShape<NonNullable<Snapshot['patient']>[number]>({ report: isCount, sinceMs: isNumber });
const isTickets = isShape<NonNullable<Secrets['tickets']>>({ secret: isText, madeAtMs: isNumber });

const KINDS: Readonly<Record<AttemptKind, true>> = {
  start: true,
  reload: true,
  watch: true,
  rollback: true,
  regret: true,
};

export const isAttemptKind = isOneOf(...Object.keys(KINDS));

const isAttempt = isShape<Attempt>({
  kind: isAttemptKind,
  by: isAbsentOr(isOneOf('signal')),
  release: isNullOr(isRelease),
  generation: isNullOr(isCount),
  from: isNullOr(isShape<NonNullable<Attempt['from']>>({ generation: isCount, release: isRelease })),
  target: isNullOr(isShape<Target>({ root: isText, identity: isText })),
  outcome: isNullOr(isOutcome),
});

const isCounts = isMapOf(isNumber);
const isLedger = isShape<LedgerRecord>({
  past: isMapOf(isCounts),
  told: isMapOf(isCounts),
  slots: isMapOf(isCounts),
  occurrences: isListOf(isShape<Occurrence>({ name: isText, labels: isMapOf(isText), counts: isCounts })),
});

const isWellFormed = isShape<Snapshot & Secrets>({
  version: isCount,
  name: isText,
  nextGeneration: isCount,
  nextListener: isCount,
  listeners: isListOf(isListener),
  generations: isListOf(isGeneration),
  notifyPaths: isMapOf(isText),
  good: isListOf(isRelease),
  lastReload: isNullOr(isOutcome),
  serviceStartedAt: isNumber,
  reloadSinceMs: isNullOr(isNumber),
  noOldAfterMs: isAbsentOr(isNullOr(isNumber)),
  patient: isAbsentOr(isListOf(isPatient)),
  reports: isAbsentOr(isShape<ReporterRecord>({ last: isCount, open: isListOf(isOpenReport), pid: isCount })),
  attempt: isAbsentOr(isNullOr(isAttempt)),
  tried: isAbsentOr(isNullOr(isText)),
  admin: isAbsentOr(isNullOr(isAdminRecord)),
  agent: isAbsentOr(isNullOr(isAdminRecord)),
  rules: isAbsentOr(isListOf(isRule)),
  mirrored: isAbsentOr(isFlag),
  oomKills: isAbsentOr(isNullOr(isCount)),
  ages: isAbsentOr(isListOf(isShape<AgeRecord>({ generation: isCount, workers: isCount, counts: isMapOf(isNumber) }))),
  metrics: isAbsentOr(isNullOr(isLedger)),
  tickets: isAbsentOr(isNullOr(isTickets)),
  debugUntilMs: isAbsentOr(isNullOr(isNumber)),
  // Whoever wants it asks whether it is one: a config of another version must not make a takeover impossible.
  config: () => true,
});

export const isSnapshot = (value: unknown): value is Snapshot & Secrets => isWellFormed(value);
