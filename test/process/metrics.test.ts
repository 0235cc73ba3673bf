/** What Prometheus reads of a service while everything happens to it that may. */
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { METRIC_NAMES } from '../../src/metrics/families.js';
import { prometheusAvailable } from '../support/prometheus/available.mjs';
import { metricsIn, queriesOf } from '../support/prometheus/dashboard.js';
import { promtool } from '../support/prometheus/promtool.js';
import { Prometheus } from '../support/prometheus/start-prometheus.js';
import { ask } from '../support/service/ask.js';
import { ROOT } from '../support/service/batond.js';
import { freePort } from '../support/service/free-port.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

interface Scraped {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

function scrape(to: { port?: number; socketPath?: string }, accept = 'text/plain'): Promise<Scraped> {
  return new Promise((resolve, reject) => {
    const path = '/metrics';
    get({ host: '127.0.0.1', ...to, path, headers: { accept }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (data) => {
        text += data;
      });
      response.on('end', () => resolve({ status: response.statusCode, type: response.headers['content-type'], text }));
    }).on('error', reject);
  });
}

/** The values of a metric, by its labels as they are written, without the service. */
function valuesOf({ text }: Scraped, name: string): Record<string, number> {
  const lines = [...text.matchAll(new RegExp(`^${name}\\{(.*?),?service="shop"\\} (\\S+)$`, 'gm'))];
  return Object.fromEntries(lines.map(([, labels, value]) => [labels!, Number(value)]));
}

const requests = (scraped: Scraped) => valuesOf(scraped, 'batond_requests_total')['process="main"'] ?? 0;

/** Where the kernel says nothing of it, or sets no limit. */
const OF_THE_KERNEL = /^batond_cgroup_/;
/** Only while a generation drains, a reload is under way, or a rule of [[degrade]] is there. */
const OF_A_MOMENT = new Set([
  'batond_generation_drain_left_seconds',
  'batond_reload_phase',
  'batond_degrade_rule_firing',
]);

const available = prometheusAvailable();

describe.skipIf(!available.ok)(`a real Prometheus${available.ok ? '' : ` (${available.why})`}`, () => {
  test('counts every request once, over three reloads, a crash and the death of a supervisor', async () => {
    const admin = await freePort();
    const toml = `[admin]\nlisten = "${admin}"\n[restart]\ndelay = "1ms"`;
    await using service = await HostedService.start({ app: 'ends-as-told', toml });
    await using prometheus = await Prometheus.start(admin, 500);
    await prometheus.until('batond_requests_total', (series) => series[0]?.value === 0);
    const load = await service.load({
      modes: { keepAlive: { connections: 8, gapMs: [5, 15] }, fresh: { perSecond: 20 } },
    });

    for (const generation of [2, 3, 4]) {
      service.deploy('ends-as-told');
      expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation });
    }
    const [victim] = (await service.status()).generations.find(({ role }) => role === 'incumbent')!.workers;
    writeFileSync(join(service.releases.current, 'end'), JSON.stringify({ status: 3 }));
    process.kill(victim!.pid, 'SIGUSR2');
    await prometheus.until('batond_worker_ends_total', ([ends]) => ends?.value === 1);
    await service.killSupervisor();
    await prometheus.until('batond_supervisor_adoptions_total', ([adoptions]) => adoptions?.value === 1);
    const loaded = await load.stop();

    // Those that the crash has broken off may have reached the worker, or not.
    const total = requests(
      await eventually(
        () => scrape({ port: admin }),
        (seen) => requests(seen) >= loaded.ok,
        { what: () => service.log },
      ),
    );
    expect(total).toBeLessThanOrEqual(loaded.requests);
    expect(loaded.failures).toBeLessThan(100);
    await prometheus.until('batond_requests_total', ([last]) => last?.value === total);
    expect(
      await prometheus.query('max_over_time(batond_requests_total[10m]) - min_over_time(batond_requests_total[10m])'),
    ).toMatchObject([{ value: total }]);
    const seen = await prometheus.query('{__name__=~"batond_(reloads|supervisor_.+|worker_ends)_total"}');
    expect(
      Object.fromEntries(seen.map(({ metric, value }) => [`${metric.__name__} ${metric.reason ?? ''}`, value])),
    ).toMatchObject({
      'batond_reloads_total ': 3,
      'batond_supervisor_takeovers_total ': 3,
      'batond_supervisor_adoptions_total ': 1,
      'batond_worker_ends_total status_3': 1,
    });
    // The series of a generation go with it.
    const living = await prometheus.query('group by (generation) (batond_worker_requests_total)');
    expect(living.map(({ metric }) => metric.generation)).toEqual(['4']);

    const ever = await prometheus.query('group by (__name__) (last_over_time({__name__=~"batond_.+"}[10m]))');
    const names = ever.map(({ metric }) => metric.__name__!);
    for (const counter of names.filter((name) => /_(total|count|bucket|sum)$/.test(name))) {
      expect(await prometheus.query(`resets(${counter}[10m]) > 0`), counter).toEqual([]);
    }
    const scraped = metricsIn(names.join('\n'));
    const files = ['batond.rules.yml', 'batond.dashboard.json'].map((file) =>
      readFileSync(join(ROOT, 'monitoring', file), 'utf8'),
    );
    const used = metricsIn([files[0]!, ...queriesOf(JSON.parse(files[1]!))].join('\n'));
    const missing = (names: Iterable<string>) =>
      [...names].filter((name) => !scraped.has(name) && !OF_THE_KERNEL.test(name) && !OF_A_MOMENT.has(name));
    expect(missing(used)).toEqual([]);
    expect(missing(METRIC_NAMES)).toEqual([]);
    const linted = promtool(['check', 'metrics'], { input: (await scrape({ port: admin })).text });
    expect(linted, linted.text).toMatchObject({ status: 0, text: '' });
  }, 120_000);
});

describe('a scrape', () => {
  test('tells of a worker that hangs what it said last, and keeps nobody waiting for it', async () => {
    const admin = await freePort();
    await using service = await HostedService.start({ toml: `[admin]\nlisten = "${admin}"` });
    for (let n = 0; n < 20; n++) await (await ask(service.port)).body;
    const before = await scrape({ port: admin });
    expect(before).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' });
    expect(requests(before)).toBe(20);
    const [hung] = (await service.status()).generations[0]!.workers;
    process.kill(hung!.pid, 'SIGSTOP');
    try {
      const isUp = `generation="1",slot="${hung!.slot}",process="main"`;
      const up = (seen: Scraped) => valuesOf(seen, 'batond_worker_up')[isUp];
      // Many at once share what is asked.
      const [first, ...others] = await eventually(
        () => Promise.all(Array.from({ length: 20 }, () => scrape({ port: admin }))),
        ([seen]) => up(seen!) === 0,
        { what: () => `the worker is seen to hang; log:\n${service.log}` },
      );
      expect(requests(first!)).toBe(20);
      expect(valuesOf(first!, 'batond_worker_requests_total')).toEqual(
        valuesOf(before, 'batond_worker_requests_total'),
      );
      for (const other of others) expect(requests(other)).toBe(20);
      // It is not asked again for now, so nobody waits for it any more.
      const after = await eventually(
        () => scrape({ port: admin }),
        (seen) => valuesOf(seen, 'batond_worker_heard_seconds')[isUp]! > 1.5,
        { what: () => 'time passes' },
      );
      expect(up(after)).toBe(0);
    } finally {
      process.kill(hung!.pid, 'SIGCONT');
    }
    const path = join(service.folder, 'run/control.sock');
    const open = await eventually(
      () => scrape({ socketPath: path }, 'application/openmetrics-text; version=1.0.0'),
      ({ text }) => !/^batond_worker_up\{.*\} 0$/m.test(text),
      { deadlineMs: 60_000, what: () => `it answers again; log:\n${service.log}` },
    );
    expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.text.endsWith('# EOF\n')).toBe(true);
  });
});
