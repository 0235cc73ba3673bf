/**
 * What became of the reload that a supervisor was at when it died, read from what it left. The next supervisor goes by
 * it, and so does a `batond reload` that cannot wait for one. Pure.
 *
 * The commit is the instant in which the candidate is on record as the incumbent: before it the reload is taken back,
 * after it it is done. One whose outcome is on record had only its hooks to run.
 */
import type { ReloadOutcome } from '../control/messages.js';
import { BatondError } from '../errors.js';
import type { Snapshot } from './inventory.js';
import type { Report } from './report.js';

/** Null where no reload was under way. `nowMs` is of CLOCK_MONOTONIC. */
export function reloadAfterDeath(state: Snapshot, nowMs: number): ReloadOutcome | null {
  const open = state.reports?.open.find(({ report }) => report.verdict === null);
  if (open === undefined) return null;
  const settled = state.attempt?.outcome ?? null;
  if (settled !== null) return { ...settled, at: Date.now(), durationMs: nowMs - open.sinceMs };
  const incumbent = state.generations.find(({ role }) => role === 'incumbent');
  const serving = incumbent?.number ?? null;
  const common = { generation: serving, at: Date.now(), durationMs: nowMs - open.sinceMs };
  const committed = incumbent !== undefined && open.report.to === serving;
  if (!committed) {
    const cause = new BatondError('SUPERVISOR_DIED');
    const staying = serving === null ? 'nothing serves' : `generation ${serving} keeps serving`;
    return {
      ...common,
      ok: false,
      code: cause.code,
      exitStatus: cause.exitStatus,
      message: `${cause.message}; ${staying}`,
    };
  }
  const message = `generation ${serving} (${incumbent.release.label}) serves`;
  const regretted = regretOf(open.report);
  if (regretted === null) return { ...common, ok: true, code: null, exitStatus: 0, message };
  const { code, exitStatus } = regretted;
  return { ...common, ok: false, code, exitStatus, message: `${regretted.message}; ${message}` };
}

/** That the way back has been gone does not make the generation that was given up a good one. */
function regretOf({ kind, from }: Report): BatondError | null {
  return kind === 'regret'
    ? new BatondError('GENERATION_LOST', { generation: from, reason: 'its workers kept ending' })
    : null;
}
