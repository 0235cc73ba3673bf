/** What `batond status --watch` shows: pure of the clock and of the terminal, so that it can be compared as text. */
import { describe, expect, test } from 'vitest';
import type { Measures } from '../../src/channel/messages.js';
import type { GenerationStatus, Status } from '../../src/control/messages.js';
import type { ServiceEvent } from '../../src/events/event.js';
import { bucketOf, noLatency } from '../../src/health/latency.js';
import { frame, type View } from '../../src/watch/frame.js';
import { generationRates, type Look } from '../../src/watch/rates.js';
import { openScreen } from '../../src/watch/screen.js';
import { after, spans, type Timeline } from '../../src/watch/timeline.js';

const measures = (requests: number, errors: number, slow = 0): Measures => {
  const latency = noLatency();
  latency[bucketOf(1)] = requests - slow;
  latency[bucketOf(50)] = slow;
  const loop = { activeMs: requests, idleMs: 10_000 - requests };
  const held = { inFlight: 2, connections: 10, accepted: 0, rssBytes: 0, heapUsedBytes: 0, utilization: 0 };
  return { ...held, requests, errors, aborted: 0, latency, loop, delay: null, detail: null };
};

const generation = (
  number: number,
  role: GenerationStatus['role'],
  pids: number[],
  of: Measures,
): GenerationStatus => ({
  number,
  role,
  release: `r${number}@${number}.0.0`,
  entry: '/srv/server.js',
  workers: pids.map((pid, slot) => ({
    slot,
    pid,
    phase: role === 'draining' ? 'draining' : 'open',
    uptimeMs: 65_000,
    rssBytes: 80 * 2 ** 20,
    measures: of,
  })),
  drainLeftMs: role === 'draining' ? 29_000 : null,
});

const look = (atMs: number, generations: readonly GenerationStatus[], more: Partial<Status> = {}): Look => ({
  atMs,
  status: {
    version: 1,
    name: 'shop',
    state: 'serving',
    managedBy: null,
    supervisor: { pid: 100, version: '0.1.0', uptimeMs: 5_000 },
    generations,
    listeners: [],
    health: { level: 'OK', trust: 1 },
    weight: 100,
    lastReload: null,
    configProblem: null,
    summary: 'Generation 2 (r2@2.0.0) serves on :8080 with 2 workers.',
    ...more,
  },
});

const at = new Date(2026, 10, 21, 20, 3, 9).getTime();
const view: View = { name: 'shop', look: null, before: null, trouble: null, timeline: null, nowAt: at };
const plain = { width: 80, color: false, hint: null };

const event = (name: string, ms: number, more: Partial<ServiceEvent> = {}): ServiceEvent => ({
  id: ms,
  at: at - 10_000 + ms,
  event: name,
  level: 'info',
  message: `${name} is told`,
  ...more,
});
const told = (...events: ServiceEvent[]) => events.reduce<Timeline | null>(after, null);
const step = (name: string, ms: number) => event('step', ms, { step: name });

describe('rates', () => {
  const before = look(1_000, [generation(1, 'incumbent', [7, 8], measures(100, 1))]);
  test('are differences of what workers count, and percentiles of what came in between', () => {
    const now = look(3_000, [generation(1, 'incumbent', [7, 8], measures(300, 5, 100))]);
    const rates = generationRates(now.status.generations[0]!, now, before);
    expect(rates).toMatchObject({ requests: 200, errors: 4 });
    expect(rates.medianMs).toBeCloseTo(1, 0);
    expect(rates.p99Ms).toBeGreaterThan(44);
  });

  test('are unknown of who was not there before, or counts less than it did', () => {
    for (const now of [
      look(3_000, [generation(2, 'incumbent', [9], measures(300, 5))]),
      look(3_000, [generation(1, 'incumbent', [7], measures(10, 0))]),
    ]) {
      const rates = generationRates(now.status.generations[0]!, now, before);
      expect(rates).toEqual({ requests: null, errors: null, medianMs: null, p99Ms: null, loop: null });
    }
  });
});

describe('a frame', () => {
  test('of a reload has both generations and how far it is', () => {
    const before = look(1_000, [
      generation(1, 'incumbent', [7], measures(100, 1)),
      generation(2, 'candidate', [8], measures(0, 0)),
    ]);
    const generations = [
      generation(1, 'incumbent', [7], measures(340, 1)),
      generation(2, 'candidate', [8], measures(4, 0)),
    ];
    const now = look(2_000, generations, {
      state: 'reloading',
      weight: 20,
      summary: 'Generation 1 (r1@1.0.0) serves on :8080 with 1 worker. Generation 2 (r2@2.0.0) is on trial.',
    });
    const timeline = told(
      event('reload', 0),
      step('boot', 300),
      step('probe', 1_500),
      step('probe', 1_600),
      step('soak', 4_000),
    );
    expect(frame({ ...view, look: now, before, timeline }, { ...plain, hint: 'q ends' })).toEqual([
      'shop: reloading                                                         20:03:09',
      '  Generation 1 (r1@1.0.0) serves on :8080 with 1 worker. Generation 2 (r2@2.0.0)',
      '  is on trial.',
      '  health OK, supervisor pid 100 for 5.0 s, weight 20 %',
      '',
      'generation 1, serves  (r1@1.0.0)',
      '  240 requests/s, 0 errors/s, half within 0.95 ms, 99 % within 1 ms',
      '  slot      pid  state      uptime    memory  in flight   conns     req/s  loop',
      '     0        7  open         65 s     80 MB          2      10       240     -',
      '',
      'generation 2, the candidate  (r2@2.0.0)',
      '  4.0 requests/s, 0 errors/s, half within 0.95 ms, 99 % within 1 ms',
      '  slot      pid  state      uptime    memory  in flight   conns     req/s  loop',
      '     0        8  open         65 s     80 MB          2      10       4.0     -',
      '',
      'reload under way for 10 s',
      '  takeover 300 ms > boot 1.2 s > probe 2.5 s > soak 6.0 s ...',
      '  step is told',
      '',
      'q ends',
    ]);
  });

  test('of a service that does not answer says why, and what was last', () => {
    const timeline = told(
      event('reload', 0),
      step('boot', 300),
      event('verdict', 800, { level: 'error', message: 'why' }),
    );
    expect(frame({ ...view, trouble: 'shop is not running', timeline }, plain)).toEqual([
      'shop: no answer                                                         20:03:09',
      '  shop is not running',
      '',
      'last reload failed after 800 ms, 9.2 s ago',
      '  takeover 300 ms > boot 500 ms',
      '  why',
    ]);
  });

  test.each([40, 80, 132])('is never wider than %i columns, and moves no cursor', (width) => {
    const words = `${'long'.repeat(60)} \x1b[2J\n${'and so on '.repeat(30)}`;
    const one = { ...generation(1, 'draining', [4_194_304, 8], measures(1e9, 1e8)), release: words };
    const now = look(2_000, [one], { summary: words });
    const lines = frame(
      {
        ...view,
        name: 'x'.repeat(200),
        look: now,
        before: now,
        trouble: words,
        timeline: told(event('reload', 0, { message: words })),
      },
      { ...plain, width },
    );
    expect(lines.filter((line) => line.length > width)).toEqual([]);
    expect(lines.join('')).not.toContain('\x1b');
  });

  test('has colours that add nothing but themselves', () => {
    const now = look(2_000, [generation(1, 'incumbent', [7], measures(1, 0))]);
    const shown = { ...view, look: now, timeline: told(step('boot', 0), event('ready', 5)) };
    const painted = frame(shown, { ...plain, color: true });
    expect(painted.join('\n')).toContain('\x1b[32m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken away.
    expect(painted.map((line) => line.replace(/\x1b\[[\d;]*m/g, ''))).toEqual(frame(shown, plain));
  });
});

test('a timeline begins with a reload or a start, and ends with its verdict', () => {
  const start = told(step('boot', 0), step('commit', 40), event('ready', 50), event('worker-exited', 60));
  expect(start).toMatchObject({ kind: 'start', end: { ok: true, message: 'ready is told' } });
  expect(spans(start!, at)).toEqual([
    { step: 'boot', ms: 40 },
    { step: 'commit', ms: 10 },
  ]);
  expect(after(start, event('verdict', 70))).toBe(start);
  expect(told(step('boot', 0), event('ready', 50), event('reload', 80))).toMatchObject({ kind: 'reload', end: null });
});

describe('a screen', () => {
  const output = (isTTY: boolean) => {
    const written: string[] = [];
    return {
      written,
      stream: { isTTY, columns: 80, rows: 4, write: (text: string) => written.push(text) > 0 } as never,
    };
  };

  test('of a terminal shows each frame in place of the one before, as much as fits, and gives it back', () => {
    const { written, stream } = output(true);
    const screen = openScreen(stream, { TERM: 'xterm' });
    screen.show(['a', 'b', 'c', 'd', 'e']);
    screen.close();
    const [opened, shown, closed] = written;
    expect(opened).toContain('\x1b[?1049h');
    expect(shown).toBe('\x1b[Ha\x1b[K\nb\x1b[K\nc\x1b[K\n… 2 more lines\x1b[K\x1b[J');
    expect(closed).toContain('\x1b[?1049l');
  });

  test.each([
    ['a pipe', false, 'xterm'],
    ['a dumb terminal', true, 'dumb'],
  ])('of %s gets them one after the other', (_name, isTTY, TERM) => {
    const { written, stream } = output(isTTY);
    const screen = openScreen(stream, { TERM });
    screen.show(['a', 'b']);
    screen.close();
    expect(written).toEqual(['a\nb\n\n']);
  });
});
