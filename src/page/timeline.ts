/** The parts of a reload as bars below each other, on one axis of time. Pure. */
import { type Html, html } from './html.js';
import { duration } from './words.js';

export interface Bar {
  readonly label: string;
  readonly fromMs: number;
  /** Null: it goes on. */
  readonly ms: number | null;
  readonly kind: 'phase' | 'failed' | 'drain';
}

/** Bars have no attribute `style`, which the policy of the dashboard forbids. */
export function timeline(bars: readonly Bar[], toMs: number): Html {
  const place = (ms: number) => Math.round((Math.max(0, ms) / Math.max(1, toMs)) * 10_000) / 10;
  const rows = bars.map(({ label, fromMs, ms, kind }) => {
    const width = Math.max(3, place(ms ?? toMs - fromMs));
    const said = ms === null ? 'goes on' : duration(ms);
    return html`<li><span class="label">${label}</span><svg class="track" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class="${kind}" x="${Math.min(997, place(fromMs))}" y="0" width="${width}" height="10"/></svg><span class="ms"${ms === null ? null : html` data-value="${ms}"`}>${said}</span></li>
`;
  });
  return html`<ol class="timeline">
${rows}</ol>`;
}
