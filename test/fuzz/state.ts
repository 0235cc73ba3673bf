/** Valid snapshots, reports and state files, to be read as they are or damaged. */

import fc from 'fast-check';
import { RULE_STATES } from '../../src/circuit/rule.js';
import type { ReloadOutcome } from '../../src/control/messages.js';
import { CAUSES } from '../../src/healing/rules.js';
import type { Attempt } from '../../src/inventory/attempt.js';
import type { GenerationRecord } from '../../src/inventory/generation.js';
import type { HealingRecord } from '../../src/inventory/healing.js';
import type { HistoryEntry } from '../../src/inventory/history-file.js';
import type { Secrets, Snapshot } from '../../src/inventory/inventory.js';
import type { ListenerRecord } from '../../src/inventory/listeners.js';
import { type OpenReport, REPORT_VERSION, type Report } from '../../src/inventory/report.js';
import type { WorkerRecord } from '../../src/inventory/worker.js';
import type { Release, ReleaseProcess } from '../../src/release/release.js';

const short = fc.string({ unit: 'binary', maxLength: 8 });
const count = fc.nat(1_000);
const ms = fc.double({ min: 0, max: 1e9, noNaN: true });
const or = <T>(of: fc.Arbitrary<T>) => fc.option(of);
const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 3 });

const executed = {
  program: short,
  args: list(short),
  env: fc.dictionary(short, short, { maxKeys: 2, noNullPrototype: true }),
};
const beside = {
  ...executed,
  name: short,
  tier: fc.constantFrom('core' as const, 'auxiliary' as const),
  ready: fc.constantFrom('listen' as const, 'notify' as const, 'load' as const),
  workers: fc.nat(4),
};
const besides: fc.Arbitrary<ReleaseProcess> = fc.oneof(
  fc.record({ ...beside, kind: fc.constant('node' as const), entry: short, runtimeArgs: list(short) }),
  fc.record({ ...beside, kind: fc.constant('command' as const) }),
);
const common = { ...executed, label: short, directory: short, processes: list(besides), resolvedAt: ms };
export const release: fc.Arbitrary<Release> = fc.oneof(
  fc.record({ ...common, kind: fc.constant('node' as const), entry: short, runtimeArgs: list(short) }),
  fc.record({ ...common, kind: fc.constant('command' as const) }),
);

export const outcome: fc.Arbitrary<ReloadOutcome> = fc.record({
  ok: fc.boolean(),
  code: or(short),
  message: short,
  exitStatus: fc.nat(255),
  generation: or(count),
  at: ms,
  durationMs: ms,
});

const byName = <T>(of: fc.Arbitrary<T>) => fc.dictionary(short, of, { maxKeys: 2, noNullPrototype: true });
const counts = fc.dictionary(short, count, { maxKeys: 3 });
const held = fc.record({
  slot: count,
  before: fc.constantFrom('SIGTERM' as const, 'SIGKILL' as const),
  by: or(fc.record({ resources: counts, gauges: counts, listeners: counts })),
});
const holdings = fc.record({ resources: counts, gauges: counts, listeners: counts });
const drain = fc.record(
  {
    generation: count,
    atMs: ms,
    ms: or(ms),
    moved: count,
    finished: count,
    told: count,
    cut: fc.record({ idle: count, drainTimeout: count, noOldAfter: count }),
    workers: fc.record({ timedOut: count, killed: count, lost: count }),
    held: fc.array(held, { maxLength: 2 }),
    remained: fc.record({ workers: count, before: holdings, left: holdings }),
  },
  { requiredKeys: ['generation', 'ms', 'moved', 'finished', 'told', 'cut', 'workers'] },
);
const phase = fc.constantFrom(
  'takeover',
  'verify',
  'hook',
  'boot',
  'probe',
  'canary',
  'switch',
  'soak',
  'commit',
  'rollback' as const,
);

const served = fc.record({ connections: count, requests: count });
const figures = fc.record({
  requests: count,
  failed: count,
  ended: count,
  p99Ms: or(ms),
  delayP99Ms: or(ms),
  delayMaxMs: or(ms),
  rssBytes: or(count),
  growth: or(ms),
});

const evidence = fc.record({
  folder: short,
  files: list(fc.record({ name: short, bytes: count })),
  missing: list(fc.record({ what: short, reason: short })),
});

const patchy = fc.array(or(ms), { minLength: 2, maxLength: 2 });
const whole = fc.array(ms, { minLength: 2, maxLength: 2 });
const series = fc.record({
  everyMs: ms,
  generations: list(
    fc.record({
      generation: count,
      atMs: whole,
      requests: patchy,
      failed: patchy,
      connections: patchy,
      p50Ms: patchy,
      p99Ms: patchy,
      rssBytes: whole,
    }),
  ),
});

const reported = {
  canary: list(fc.record({ share: count, match: or(short), ms, candidate: served, incumbent: served })),
  version: fc.constant(REPORT_VERSION),
  number: count,
  kind: fc.constantFrom('reload' as const, 'rollback', 'regret'),
  startedAt: ms,
  from: or(count),
  to: or(count),
  release: or(short),
  verdict: or(fc.record({ ok: fc.boolean(), code: or(short), message: short })),
  durationMs: or(ms),
  phases: list(fc.record({ phase, ms })),
  drains: list(drain),
  soak: fc.record({ forMs: ms, ms, failed: or(short), candidate: figures, incumbent: figures }),
  peak: fc.record({ rssBytes: count, fds: count }),
};
export const report: fc.Arbitrary<Report> = fc.record(
  { ...reported, evidence, series, traceparent: short },
  { requiredKeys: Object.keys(reported) as (keyof typeof reported)[] },
);

const open: fc.Arbitrary<OpenReport> = fc.record({
  report,
  sinceMs: ms,
  phase: or(fc.record({ name: phase, sinceMs: ms })),
  drainSinceMs: fc.dictionary(count.map(String), ms, { maxKeys: 2, noNullPrototype: true }),
});

const listener: fc.Arbitrary<ListenerRecord> = fc.record({
  name: short,
  address: or(
    fc.oneof(
      fc.record({
        kind: fc.constant('tcp' as const),
        host: or(short),
        port: fc.nat(65_535),
        ipv6Only: fc.boolean(),
        reusePort: fc.boolean(),
        ordinal: count,
      }),
      fc.record({ kind: fc.constant('unix' as const), path: short }),
      fc.record({
        kind: fc.constant('udp' as const),
        host: short,
        port: fc.nat(65_535),
        ipv6Only: fc.boolean(),
        reuseAddress: fc.boolean(),
      }),
    ),
  ),
  origin: fc.constantFrom('asked', 'declared', 'systemd'),
  file: or(fc.record({ path: short, id: short, keep: or(short) })),
  canary: fc.constantFrom('none', 'kept', 'lost'),
});

const oldWorker: fc.Arbitrary<WorkerRecord> = fc.record({
  id: short,
  generation: count,
  slot: count,
  pid: fc.integer({ min: 2, max: 4_000_000 }),
  phase: fc.constantFrom('booting', 'ready', 'trusted', 'opening', 'open', 'pausing', 'paused', 'draining', 'stopping'),
  startedAtMs: ms,
  listening: list(short),
  fatal: or(short),
  killedBy: or(fc.constantFrom(...CAUSES)),
});

const healing: fc.Arbitrary<HealingRecord> = fc.record({
  listened: fc.boolean(),
  slots: list(
    fc.record({
      slot: count,
      rest: or(fc.constantFrom('waiting', 'kept', 'done')),
      standby: fc.boolean(),
      waits: count,
      rule: short,
      reason: short,
      sinceMs: ms,
      dueAtMs: or(ms),
    }),
  ),
  restarts: list(fc.record({ atMs: ms, isCrash: fc.boolean() })),
  auxiliaryRestarts: list(fc.record({ atMs: ms, isCrash: fc.boolean() })),
});

const worker: fc.Arbitrary<WorkerRecord> = fc
  .tuple(oldWorker, fc.boolean(), fc.boolean(), or(short), fc.constantFrom('liveness' as const, null))
  .map(([record, isNew, heldBack, said, killedBy]) =>
    isNew ? { ...record, heldBack, said, killedBy, piped: heldBack } : record,
  );

const generation: fc.Arbitrary<GenerationRecord> = fc.record({
  number: count,
  role: fc.constantFrom('candidate', 'incumbent', 'draining'),
  release,
  ready: fc.constantFrom('listen', 'notify', 'load'),
  slots: count,
  committedAtMs: or(ms),
  drainUntilMs: or(ms),
  hurry: or(fc.record({ termAtMs: ms, killAtMs: ms })),
  claims: list(fc.record({ listener: short, slots: list(count) })),
  crashes: list(fc.record({ slot: count, inARow: count })),
  healing,
  workers: list(worker),
});

const health = fc.record({
  slots: list(
    fc.record({
      slot: count,
      level: fc.constantFrom('OK', 'DEGRADED', 'UNHEALTHY' as const),
      failures: list(ms),
      poor: list(ms),
      good: count,
    }),
  ),
  trust: fc.record({ healthyMs: ms, upMs: ms, atMs: ms, healthy: fc.boolean() }),
  unhealthySinceMs: or(ms),
});
const scaled = list(fc.record({ process: short, slots: list(count), leaving: list(count) }));
const withHealth: fc.Arbitrary<GenerationRecord> = fc
  .tuple(generation, or(health), or(scaled))
  .map(([record, known, others]) => ({
    ...record,
    ...(known === null ? {} : { health: known }),
    ...(others === null ? {} : { scaled: others }),
  }));

const kind = fc.constantFrom('start', 'reload', 'watch', 'rollback', 'regret' as const);

export const historyEntry: fc.Arbitrary<HistoryEntry> = fc.record({
  generation: or(count),
  kind,
  release: or(release),
  root: or(short),
  at: ms,
  durationMs: ms,
  verdict: fc.constantFrom('serving', 'replaced', 'rolledBack', 'refused'),
  code: or(short),
  message: short,
});

const attempt: fc.Arbitrary<Attempt> = fc.record(
  {
    kind,
    by: fc.constant('signal' as const),
    release: or(release),
    generation: or(count),
    from: or(fc.record({ generation: count, release })),
    target: or(fc.record({ root: short, identity: short })),
    outcome: or(outcome),
  },
  { requiredKeys: ['kind', 'release', 'generation', 'from', 'target', 'outcome'] },
);

const door = or(
  fc.record({
    listen: fc.oneof(
      fc.record({ kind: fc.constant('tcp' as const), host: or(short), port: fc.nat(65_535) }),
      fc.record({ kind: fc.constant('unix' as const), path: short }),
    ),
    file: or(fc.record({ path: short, id: short, keep: or(short) })),
  }),
);

export const snapshot: fc.Arbitrary<Snapshot & Secrets> = fc.record(
  {
    version: fc.constant(1),
    name: short,
    nextGeneration: count,
    nextListener: count,
    listeners: list(listener),
    generations: list(withHealth),
    notifyPaths: fc.dictionary(short, short, { maxKeys: 2, noNullPrototype: true }),
    good: list(release),
    lastReload: or(outcome),
    serviceStartedAt: ms,
    reloadSinceMs: or(ms),
    noOldAfterMs: or(ms),
    patient: list(fc.record({ report: count, sinceMs: ms })),
    reports: fc.record({ last: count, open: list(open), pid: count }),
    attempt: or(attempt),
    tried: or(short),
    oomKills: or(count),
    debugUntilMs: or(ms),
    ages: list(fc.record({ generation: count, workers: count, counts })),
    admin: door,
    agent: door,
    rules: list(
      fc.record({
        when: short,
        state: fc.constantFrom(...RULE_STATES),
        sinceMs: ms,
        weight: count,
        due: fc.constantFrom(null, 'run' as const, 'run_over' as const),
      }),
    ),
    metrics: or(
      fc.record({
        past: byName(counts),
        told: byName(counts),
        slots: byName(counts),
        occurrences: list(fc.record({ name: short, labels: byName(short), counts })),
      }),
    ),
    tickets: or(fc.record({ secret: short, madeAtMs: ms })),
  },
  {
    requiredKeys: [
      'version',
      'name',
      'nextGeneration',
      'nextListener',
      'listeners',
      'generations',
      'notifyPaths',
      'good',
      'lastReload',
      'serviceStartedAt',
      'reloadSinceMs',
    ],
  },
);
