/** Pages: what of an app is in them is text and nothing else, and what they show is what the report says. */
import { describe, expect, test } from 'vitest';
import { isReport } from '../../src/inventory/check-report.js';
import { beginDrain, endDrain, enterPhase, newReport, type Report } from '../../src/inventory/report.js';
import { addLook, FIRST_EVERY_MS, type GenerationLook, MAX_LOOKS, newSeries } from '../../src/inventory/series.js';
import { html } from '../../src/page/html.js';
import { ratesOf } from '../../src/page/report-charts.js';
import { reportPage } from '../../src/page/report-page.js';

const look = (generation: number, requests: number | null): GenerationLook => ({
  generation,
  requests,
  failed: requests === null ? null : 0,
  connections: 3,
  p50Ms: 1.234567,
  p99Ms: null,
  rssBytes: 50 * 2 ** 20,
});

function report(change: Partial<Report> = {}): Report {
  const open = newReport(7, 'reload', 3, 0);
  enterPhase(open, 'boot', 0);
  enterPhase(open, 'switch', 800);
  beginDrain(open, 3, 900);
  enterPhase(open, null, 950);
  endDrain(open, 3, 1_400);
  const series = newSeries();
  for (let i = 0; i < 5; i++) addLook(series, i * 250, [look(3, 1_000 + i * 25), ...(i > 2 ? [look(4, i * 10)] : [])]);
  return {
    ...open.report,
    to: 4,
    release: 'r4',
    durationMs: 950,
    verdict: { ok: true, code: null, message: 'it serves' },
    series,
    ...change,
  };
}

describe('a series', () => {
  test('has a place for each look, and where there are too many every other one goes', () => {
    const series = newSeries();
    for (let i = 0; i < MAX_LOOKS; i++) addLook(series, i * 250, [look(1, i)]);
    expect(series.everyMs).toBe(FIRST_EVERY_MS);
    addLook(series, MAX_LOOKS * 250, [look(1, MAX_LOOKS), look(2, 0)]);
    expect(series.everyMs).toBe(2 * FIRST_EVERY_MS);
    const [first, second] = series.generations;
    expect(first!.atMs).toHaveLength(MAX_LOOKS / 2 + 1);
    expect(first!.requests.at(-1)).toBe(MAX_LOOKS);
    expect(first!.requests[0]).toBe(0);
    expect(second).toMatchObject({ generation: 2, atMs: [MAX_LOOKS * 250], p50Ms: [1.23] });
    expect(isReport(report({ series }))).toBe(true);
  });

  test('with columns of different lengths is none', () => {
    const broken = structuredClone(report());
    broken.series!.generations[0]!.requests.pop();
    expect(isReport(broken)).toBe(false);
  });

  test('gives rates, and none across what is not known or began anew', () => {
    expect(ratesOf([0, 250, 500, 1_000, 1_250, 1_500], [100, 125, 125, 10, null, 20])).toEqual([
      null,
      100,
      0,
      null,
      null,
      null,
    ]);
  });
});

describe('HTML', () => {
  test('escapes what is put into it, and keeps what is HTML', () => {
    const bad = `<script>alert("1")</script>&'\u0000`;
    const inner = html`<b title="${bad}">${bad}</b>`;
    const text = html`<p>${[inner, null, 5]}</p>`.text;
    expect(text).not.toContain('<script');
    expect(text).not.toMatch(/title="[^"]*["'<][^"]*"[^>]/);
    expect(text).toContain('<b title="&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#38;&#39;\ufffd">');
    expect(text).toContain('5</p>');
  });
});

describe('the page of a reload', () => {
  const BAD = '"><script>alert(1)</script><img src=x onerror=alert(1)>';

  test('asks for nothing, runs nothing, and whatever an app is called is text', () => {
    const holdings = { resources: { [BAD]: 1 }, gauges: {}, listeners: {} };
    const bad = report({
      release: BAD,
      verdict: { ok: false, code: BAD, message: BAD },
      phases: [{ phase: BAD as 'boot', ms: 5 }],
      canary: [
        {
          share: 1,
          match: BAD,
          ms: 1,
          candidate: { connections: 1, requests: 2 },
          incumbent: { connections: 3, requests: 4 },
        },
      ],
      evidence: { folder: BAD, files: [{ name: BAD, bytes: 1 }], missing: [{ what: BAD, reason: BAD }] },
    });
    bad.drains[0]!.held = [{ slot: 0, before: 'SIGTERM', by: holdings }];
    bad.drains[0]!.remained = { workers: 1, before: holdings, left: holdings };
    const page = reportPage(bad, BAD, '1.0.0');
    expect(page).not.toMatch(/<script|<img|onerror=alert\(1\)>/);
    expect(page).not.toMatch(/<[^>]*\s(src|href)=|url\(|@import/i);
    expect(page).toContain('&#60;script&#62;');
    expect(page).toContain('content="default-src &#39;none&#39;');
  });

  test('shows what the report says, also of one that is not over or was written by an older batond', () => {
    const page = reportPage(report(), 'shop', '1.0.0');
    expect(page).toContain('Reload 7 of shop');
    for (const [ms, text] of [
      [800, '800 ms'],
      [150, '150 ms'],
      [500, '500 ms'],
    ] as const) {
      expect(page).toContain(`data-value="${ms}">${text}<`);
    }
    expect(page).toContain('data-value="100">100<');
    expect(page).toContain('No request has failed');
    const { series: _, ...old } = report({ verdict: null, durationMs: null, to: null, release: null });
    delete (old.drains[0] as { atMs?: number }).atMs;
    old.drains[0]!.ms = null;
    const open = reportPage(old, 'shop', '1.0.0');
    expect(open).toContain('no verdict');
    expect(open).toContain('goes on');
    expect(open).not.toContain('While it went on');
    expect(open).not.toMatch(/NaN|undefined|Infinity/);
  });
});
