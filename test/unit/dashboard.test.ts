/** The pages of admin.listen: what they tell, and what they never tell. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Dashboard } from '../../src/admin/dashboard.js';
import { dashboardRoutes } from '../../src/admin/dashboard-routes.js';
import type { Measures } from '../../src/channel/messages.js';
import type { GenerationStatus, Status } from '../../src/control/messages.js';
import { noLatency } from '../../src/health/latency.js';
import { Looks, type WorkerLook } from '../../src/inventory/looks.js';
import { enterPhase, newReport, type OpenReport, type Report } from '../../src/inventory/report.js';

const BAD = '"><script>alert(1)</script>';
const SECRET = 'postgres://user:secret@db';

function measures(requests: number, slow = 0): Measures {
  const latency = noLatency();
  latency[40] = requests - slow;
  latency[80] = slow;
  return {
    requests,
    inFlight: 1,
    connections: 2,
    accepted: 2,
    rssBytes: 1,
    heapUsedBytes: 1,
    utilization: 0.5,
    errors: 0,
    aborted: 0,
    latency,
    loop: { activeMs: 1, idleMs: 1 },
    delay: null,
    detail: null,
  };
}

function status(requests: number): Status {
  const generation: GenerationStatus = {
    number: 4,
    role: 'incumbent',
    release: BAD,
    entry: `server.js --password ${SECRET}`,
    processes: [{ name: 'main', tier: 'core', workers: 1, runs: `server.js --password ${SECRET}` }],
    workers: [
      { slot: 0, process: BAD, pid: 42, phase: 'open', uptimeMs: 1, rssBytes: 2 ** 20, measures: measures(requests) },
    ],
    slots: [{ slot: 1, state: 'kept', rule: 'config', reason: SECRET, forMs: 1, dueInMs: null }],
    drainLeftMs: null,
  };
  return {
    version: 1,
    name: BAD,
    state: 'serving',
    managedBy: null,
    supervisor: { pid: 1, version: '1', uptimeMs: 1 },
    generations: [generation],
    listeners: [],
    health: { level: 'DEGRADED', trust: 0.5 },
    lastReload: { ok: false, code: 'X', message: SECRET, exitStatus: 1, generation: 4, at: 0, durationMs: 1 },
    configProblem: { code: 'X', message: SECRET, configOf: 0 },
    summary: SECRET,
  };
}

function failed(number: number): Report {
  const open = newReport(number, 'reload', 3, 0);
  enterPhase(open, 'boot', 0);
  enterPhase(open, null, 10);
  return {
    ...open.report,
    durationMs: 10,
    verdict: { ok: false, code: 'CANDIDATE_EXITED', message: SECRET },
    evidence: { folder: SECRET, files: [], missing: [] },
  };
}

function stage(open: OpenReport[] = []) {
  let requests = 100;
  let asked = 0;
  const reports = new Map([1, 2].map((number) => [number, failed(number)]));
  const source = {
    status: async () => {
      asked++;
      requests += 50;
      return status(requests);
    },
    numbers: () => [...reports.keys()],
    report: (number: number) => reports.get(number) ?? null,
    open,
  };
  const query = (text = '') => new URLSearchParams(text);
  const dashboard = new Dashboard(source);
  const page = async () => String((await dashboard.now(query(), undefined)).body);
  return { source, dashboard, page, query, asked: () => asked };
}

describe('the dashboard', () => {
  test('tells numbers, and neither an argument, a message nor what an app is called as HTML', async () => {
    const { page, dashboard, query } = stage();
    const text = await page();
    expect(text).toContain('Generation 4');
    expect(text).toContain('DEGRADED');
    expect(text).toContain('<a href="reload?number=2">2</a>');
    expect(text.indexOf('reload?number=2')).toBeLessThan(text.indexOf('reload?number=1'));
    const reload = String((await dashboard.reload(query('number=2'), undefined)).body);
    expect(reload).toContain('refused with CANDIDATE_EXITED');
    for (const one of [text, reload]) {
      expect(one).not.toContain('secret');
      expect(one).not.toContain(BAD);
      expect(one).not.toMatch(/NaN|undefined|Infinity/);
    }
  });

  test('says in its policy which script and style may be, and they are those', async () => {
    const { dashboard, query } = stage();
    const { body, headers, type } = await dashboard.now(query(), undefined);
    expect(type).toContain('text/html');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
    const policy = headers!['content-security-policy']!;
    for (const element of ['script', 'style']) {
      const parts = [...String(body).matchAll(new RegExp(`<${element}>([\\s\\S]*?)</${element}>`, 'g'))];
      expect(parts).toHaveLength(1);
      const hash = createHash('sha256').update(parts[0]![1]!).digest('base64');
      expect(policy).toContain(`${element}-src 'sha256-${hash}'`);
    }
    expect(policy).not.toContain('unsafe');
    expect(String(body)).not.toMatch(/<[^>]*\s(style|on\w+)=/);
  });

  test('asks the workers no more often than once a second, however many watch', async () => {
    const { page, asked } = stage();
    await Promise.all([page(), page(), page()]);
    await page();
    expect(asked()).toBe(1);
  });

  test('shows the reload that is under way, with the phase that it is in', async () => {
    const open = newReport(9, 'reload', 4, 0);
    enterPhase(open, 'takeover', 0);
    enterPhase(open, 'boot', 120);
    const text = await stage([open]).page();
    expect(text).toContain('Reload 9 is under way');
    expect(text).toContain('data-value="120">120 ms<');
    expect(text).toMatch(/boot<[\s\S]*goes on/);
  });

  test.each(['', 'number=9', 'number=-1', 'number=../1', `number=${BAD}`])('has no page of %s', async (asked) => {
    const { dashboard, query } = stage();
    expect(await dashboard.reload(query(asked), undefined)).toMatchObject({ status: 404 });
  });

  test('is made by the first request', async () => {
    const routes = dashboardRoutes(stage().source);
    expect([...routes.keys()]).toEqual(['/', '/reload']);
    expect(await routes.get('/')!(new URLSearchParams(), undefined)).toMatchObject({ status: 200 });
  });
});

describe('looks', () => {
  const look = (process: string, generation: number, of: Measures | null): WorkerLook => {
    return { process, generation, rssBytes: 10, measures: of };
  };

  test('add up workers, those that have ended too, and tell the latency since the one before', () => {
    const looks = new Looks();
    expect(looks.take([look('a', 1, measures(10)), look('b', 1, measures(5))])).toMatchObject([
      { generation: 1, requests: 15, connections: 4, p99Ms: null, rssBytes: 20 },
    ]);
    const [second] = looks.take([look('a', 1, measures(30, 20))]);
    expect(second).toMatchObject({ requests: 35, connections: 2, rssBytes: 10 });
    expect(second!.p50Ms).toBeGreaterThan(500);
    // One that did not say in time has what it had.
    expect(looks.take([look('a', 1, null)])).toMatchObject([{ requests: 35, connections: 2, p99Ms: null }]);
  });

  test('tell nothing of programs that say nothing, and forget generations that are gone', () => {
    const looks = new Looks();
    expect(looks.take([look('a', 1, null)])).toMatchObject([{ requests: null, failed: null, connections: null }]);
    looks.take([look('a', 1, measures(7))]);
    expect(looks.take([look('c', 2, measures(1))])).toMatchObject([{ generation: 2, requests: 1 }]);
    expect(looks.take([look('a', 1, null)])).toMatchObject([{ requests: null }]);
  });
});
