/**
 * Lines over time, drawn as SVG, with the numbers that they are drawn of as a table behind them: whoever cannot see the
 * lines, or wants to know exactly, reads that. Pure.
 */
import { type Html, html } from './html.js';

export interface Line {
  readonly label: string;
  /** Which of the colours: 0 and up. */
  readonly tone: number;
  /** Drawn thinner: what it is beside a main one of the same tone. */
  readonly faint?: boolean;
  /** Null breaks the line. */
  readonly values: readonly (number | null)[];
}

/** Something that happened, drawn across all lines. */
export interface Mark {
  readonly atMs: number;
  readonly label: string;
  /** Which side of its line the label is on. */
  readonly side: 'left' | 'right';
}

export interface Chart {
  readonly title: string;
  /** What is drawn, in a sentence, for those who do not see it. */
  readonly about: string;
  /** For each place of the values, in order. */
  readonly atMs: readonly number[];
  readonly lines: readonly Line[];
  readonly marks: readonly Mark[];
  /** A value as text, with its unit. */
  readonly show: (value: number) => string;
  /** What the axis counts in, where that is not 1: it ends at a round number of these. */
  readonly unit?: number;
  /** The ends of the axis, as of all charts of a page. */
  readonly fromMs: number;
  readonly toMs: number;
}

const WIDTH = 480;
const HEIGHT = 190;
const LEFT = 62;
const RIGHT = 10;
const TOP = 18;
const BOTTOM = 24;
/** So many colours there are. */
export const TONES = 4;

export function chart(of: Chart): Html {
  const { unit = 1 } = of;
  const values = of.lines.flatMap((line) => line.values).filter((value) => value !== null);
  if (values.length === 0) {
    return html`<figure><figcaption>${of.title}</figcaption><p class="quiet">Nothing was counted.</p></figure>`;
  }
  const keys = of.lines.map((line) => html`<li><span class="key ${kindOf(line)}"></span>${line.label}</li>`);
  return html`<figure>
<figcaption>${of.title}</figcaption>
${drawing(of, niceTop(Math.max(...values) / unit) * unit)}
<ul class="legend">${keys}</ul>
${table(of)}
</figure>`;
}

function drawing(of: Chart, top: number): Html {
  const span = Math.max(1, of.toMs - of.fromMs);
  const right = WIDTH - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const x = (ms: number) => rounded(LEFT + ((ms - of.fromMs) / span) * (right - LEFT));
  const y = (value: number) => rounded(bottom - (value / top) * (bottom - TOP));
  const levels = [0, top / 2, top].map(
    (value) => html`<line class="grid" x1="${LEFT}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>
<text class="tick" x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${value === 0 ? 0 : of.show(value)}</text>
`,
  );
  const times = timeTicks(of.fromMs, of.toMs).map(
    (ms) => html`<text class="tick" x="${x(ms)}" y="${HEIGHT - 6}" text-anchor="middle">${ms / 1_000} s</text>
`,
  );
  const marks = of.marks.map(
    ({ atMs, label, side }) => html`<line class="mark" x1="${x(atMs)}" x2="${x(atMs)}" y1="${TOP - 12}" y2="${bottom}"/>
<text class="mark" x="${x(atMs) + (side === 'left' ? -4 : 4)}" y="${TOP - 5}" text-anchor="${side === 'left' ? 'end' : 'start'}">${label}</text>
`,
  );
  const lines = of.lines.flatMap((line) =>
    runsOf(line.values, of.atMs).map((run) => {
      const points = run.map(([ms, value]) => `${x(ms)},${y(value)}`).join(' ');
      const [[ms, value]] = run as [readonly [number, number]];
      return run.length > 1
        ? html`<polyline class="${kindOf(line)}" points="${points}"/>
`
        : html`<circle class="${kindOf(line)}" cx="${x(ms)}" cy="${y(value)}" r="2.5"/>
`;
    }),
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${of.about}">
${levels}${times}${marks}${lines}</svg>`;
}

const kindOf = ({ tone, faint }: Line) => `tone${tone % TONES}${faint === true ? ' faint' : ''}`;

/** What stands together, without the gaps. */
function runsOf(values: readonly (number | null)[], atMs: readonly number[]): (readonly [number, number])[][] {
  const runs: (readonly [number, number])[][] = [[]];
  for (const [i, value] of values.entries()) {
    if (value === null) runs.push([]);
    else runs.at(-1)!.push([atMs[i] as number, value]);
  }
  return runs.filter((run) => run.length > 0);
}

function table({ title, atMs, lines, show }: Chart): Html {
  const head = lines.map(({ label }) => html`<th scope="col">${label}</th>`);
  const rows = atMs.map((ms, i) => {
    const cells = lines.map(({ values }) => cell(values[i] ?? null, show));
    return html`<tr><th scope="row">${(ms / 1_000).toFixed(2)}</th>${cells}</tr>
`;
  });
  return html`<details><summary>The numbers</summary>
<div class="scroll" tabindex="0"><table><caption>${title}</caption>
<thead><tr><th scope="col">seconds</th>${head}</tr></thead>
<tbody>
${rows}</tbody></table></div></details>`;
}

const cell = (value: number | null, show: (value: number) => string) =>
  value === null ? html`<td>–</td>` : html`<td data-value="${value}">${show(value)}</td>`;

/** 1, 2 or 5 times a power of ten, not below the value. */
function niceTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

/** At most six or so, at round times. */
function timeTicks(fromMs: number, toMs: number): number[] {
  const about = Math.max(1, toMs - fromMs) / 5;
  const power = 10 ** Math.floor(Math.log10(about));
  const step = ([1, 2, 5, 10].find((one) => one * power >= about) ?? 10) * power;
  const first = Math.ceil(fromMs / step);
  const last = Math.floor(toMs / step);
  return Array.from({ length: last - first + 1 }, (_, i) => Math.round((first + i) * step * 1_000) / 1_000);
}

const rounded = (value: number) => Math.round(value * 10) / 10;
