/** A report in short: for the list of `batond report`, and for whoever waited until the old generations were gone. */
import type { ReportSummary } from '../control/messages.js';
import { type Report, totals } from '../inventory/report.js';

export function summaryOf(report: Report): ReportSummary {
  const { number, startedAt, from, to, release, verdict, durationMs, drains } = report;
  return {
    number,
    startedAt,
    from,
    to,
    release,
    ok: verdict?.ok ?? null,
    code: verdict?.code ?? null,
    durationMs,
    drainMs: drains.some(({ ms }) => ms === null) ? null : Math.max(0, ...drains.map(({ ms }) => ms ?? 0)),
    connections: totals(report),
  };
}

/** What was cut by the order that no older generation runs, or by a drain time-out before it. */
export function describeCut({ drains }: Report): { cut: number; killed: number; message: string } {
  const sum = (of: (drain: Report['drains'][number]) => number) => drains.reduce((all, drain) => all + of(drain), 0);
  const cut = sum((drain) => drain.cut.drainTimeout + drain.cut.noOldAfter);
  const killed = sum(({ workers }) => workers.killed);
  const parts = [
    ...(cut === 0 ? [] : [`${cut} ${cut === 1 ? 'connection was' : 'connections were'} cut`]),
    ...(killed === 0 ? [] : [`${killed} ${killed === 1 ? 'worker was' : 'workers were'} killed`]),
  ];
  return {
    cut,
    killed,
    message: `no older generation runs: ${parts.length === 0 ? 'nothing was cut' : parts.join(', ')}`,
  };
}
