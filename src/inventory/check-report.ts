/** Says whether a report that was read from a file, or came with a takeover, is one that can be shown and counted on. */
import { isHoldings } from '../channel/decode-checks.js';
import type { TrialFigures } from '../health/figures.js';
import {
  type Check,
  isAbsentOr,
  isCount,
  isFlag,
  isListOf,
  isNullOr,
  isNumber,
  isOneOf,
  isShape,
  isText,
} from '../shape.js';
import type { Remained } from './remained.js';
import {
  type CanaryCounts,
  type CanaryReport,
  type CutCause,
  type DrainReport,
  type EvidenceReport,
  type Held,
  REPORT_VERSION,
  type Report,
  type StateReport,
  type TrialReport,
} from './report.js';
import type { GenerationSeries, Series } from './series.js';

const isDrain = isShape<DrainReport>({
  generation: isCount,
  atMs: isAbsentOr(isNumber),
  ms: isNullOr(isNumber),
  moved: isNumber,
  finished: isNumber,
  told: isNumber,
  cut: isShape<Record<CutCause, number>>({ idle: isNumber, drainTimeout: isNumber, noOldAfter: isNumber }),
  workers: isShape<DrainReport['workers']>({ timedOut: isNumber, killed: isNumber, lost: isNumber }),
  held: isAbsentOr(
    isListOf(isShape<Held>({ slot: isCount, before: isOneOf('SIGTERM', 'SIGKILL'), by: isNullOr(isHoldings) })),
  ),
  remained: isAbsentOr(isShape<Remained>({ workers: isCount, before: isHoldings, left: isHoldings })),
});

const isCounts = isShape<CanaryCounts>({ connections: isNumber, requests: isNumber });
const isCanary = isShape<CanaryReport>({
  share: isNumber,
  match: isNullOr(isText),
  ms: isNumber,
  candidate: isCounts,
  incumbent: isCounts,
});

const isFigures = isShape<TrialFigures>({
  requests: isNumber,
  failed: isNumber,
  ended: isNumber,
  p99Ms: isNullOr(isNumber),
  delayP99Ms: isNullOr(isNumber),
  delayMaxMs: isNullOr(isNumber),
  rssBytes: isNullOr(isNumber),
  growth: isNullOr(isNumber),
});

const isTrial = isShape<TrialReport>({
  forMs: isNumber,
  ms: isNumber,
  failed: isNullOr(isText),
  candidate: isFigures,
  incumbent: isFigures,
});

const isColumn = isListOf(isNumber);
const isPatchyColumn = isListOf(isNullOr(isNumber));
const hasColumns = isShape<GenerationSeries>({
  generation: isCount,
  atMs: isColumn,
  requests: isPatchyColumn,
  failed: isPatchyColumn,
  connections: isPatchyColumn,
  p50Ms: isPatchyColumn,
  p99Ms: isPatchyColumn,
  rssBytes: isColumn,
});
/** What goes by one column has to find the others as long. */
const isGenerationSeries: Check = (value) => {
  if (!hasColumns(value)) return false;
  const { generation: _, ...columns } = value as GenerationSeries;
  return Object.values(columns).every((column) => !Array.isArray(column) || column.length === columns.atMs.length);
};

const isWellFormed = isShape<Report>({
  version: isOneOf(REPORT_VERSION),
  number: isCount,
  kind: isOneOf('reload', 'rollback', 'regret'),
  startedAt: isNumber,
  from: isNullOr(isCount),
  traceparent: isAbsentOr(isText),
  to: isNullOr(isCount),
  release: isNullOr(isText),
  verdict: isNullOr(isShape<NonNullable<Report['verdict']>>({ ok: isFlag, code: isNullOr(isText), message: isText })),
  durationMs: isNullOr(isNumber),
  phases: isListOf(isShape<Report['phases'][number]>({ phase: isText, ms: isNumber })),
  drains: isListOf(isDrain),
  state: isAbsentOr(
    isShape<StateReport>({ bytes: isNumber, workers: isNumber, saveMs: isNumber, restoreMs: isNumber, lost: isNumber }),
  ),
  canary: isAbsentOr(isListOf(isCanary)),
  soak: isAbsentOr(isTrial),
  evidence: isAbsentOr(
    isShape<EvidenceReport>({
      folder: isText,
      files: isListOf(isShape<EvidenceReport['files'][number]>({ name: isText, bytes: isCount })),
      missing: isListOf(isShape<EvidenceReport['missing'][number]>({ what: isText, reason: isText })),
    }),
  ),
  series: isAbsentOr(isShape<Series>({ everyMs: isNumber, generations: isListOf(isGenerationSeries) })),
  peak: isShape<Report['peak']>({ rssBytes: isNumber, fds: isNumber }),
});

export const isReport = (value: unknown): value is Report => isWellFormed(value);
