/** The files for Prometheus and Grafana: each metric in them is one that there is, and each query one that parses. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { METRIC_NAMES } from '../../src/metrics/families.js';
import { prometheusAvailable } from '../support/prometheus/available.mjs';
import { metricsIn, queriesOf } from '../support/prometheus/dashboard.js';
import { promtool } from '../support/prometheus/promtool.js';

const FOLDER = fileURLToPath(new URL('../../monitoring/', import.meta.url));
const read = (file: string) => readFileSync(join(FOLDER, file), 'utf8');
const dashboard = JSON.parse(read('batond.dashboard.json'));
const rules = read('batond.rules.yml');
const known = new Set<string>(METRIC_NAMES);

describe('the alerts', () => {
  const alerts = [...rules.matchAll(/^ {6}- alert: (\w+)$/gm)].map(([, name]) => name!);

  test('are of metrics that there are', () => {
    expect(alerts.length).toBeGreaterThan(10);
    expect([...metricsIn(rules)].filter((name) => !known.has(name))).toEqual([]);
  });

  test('each say what is the case and what to do, by commands that there are', () => {
    for (const text of rules.split(/^ {6}- alert: /m).slice(1)) {
      expect(text).toMatch(/severity: (critical|warning|info) /);
      expect(text).toMatch(/summary: ".+\."\n/);
      expect(text).toMatch(/description: >-\n(?: {12}\S.*\n)+/);
    }
    const commands = new Set([...rules.matchAll(/`batond (\w+)/g)].map(([, command]) => command!));
    expect([...commands].filter((command) => !existsSync(join(FOLDER, `../src/cli/${command}.ts`)))).toEqual([]);
  });

  test('are each tested, where they fire and where all is well', () => {
    const tested = [...read('batond.rules.test.yml').matchAll(/alertname: (\w+)(, exp_alerts: \[\])?/g)];
    const names = (isWell: boolean) =>
      tested.filter(([, , none]) => (none !== undefined) === isWell).map(([, name]) => name);
    expect(names(true).sort()).toEqual([...alerts].sort());
    expect(names(false).sort()).toEqual([...alerts].sort());
  });
});

describe('the dashboard', () => {
  interface Panel {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
  }
  const panels: readonly Panel[] = dashboard.panels;

  test('is what Grafana imports: panels that have a place of their own, each with queries of the chosen data source', () => {
    expect(dashboard).toMatchObject({ schemaVersion: 39, id: null, uid: 'batond', title: 'batond' });
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const places = new Set<string>();
    for (const { type, title, gridPos, datasource, targets } of panels) {
      expect(['row', 'stat', 'timeseries']).toContain(type);
      expect(title).not.toBe('');
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(places.has(`${x} ${y}`), `${title} lies over another`).toBe(false);
          places.add(`${x} ${y}`);
        }
      }
      if (type === 'row') continue;
      expect(datasource?.uid).toMatch(/^\$\{datasource\}$/);
      expect(targets!.length).toBeGreaterThan(0);
      expect(new Set(targets!.map(({ refId }) => refId)).size).toBe(targets!.length);
    }
    const variables: { name: string; type: string }[] = dashboard.templating.list;
    expect(variables.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      'datasource: datasource',
      'service: query',
      'instance: query',
    ]);
  });

  test('shows metrics that there are, and most of them', () => {
    const shown = metricsIn(queriesOf(dashboard).join('\n'));
    expect([...shown].filter((name) => !known.has(name))).toEqual([]);
    expect(shown.size).toBeGreaterThan(METRIC_NAMES.length / 2);
  });
});

const available = prometheusAvailable();

describe.skipIf(!available.ok)(`promtool${available.ok ? '' : ` (${available.why})`}`, () => {
  test('finds nothing wrong with the rules, and every alert as their tests have it', () => {
    const checked = promtool(['check', 'rules', 'batond.rules.yml'], { cwd: FOLDER });
    expect(checked, checked.text).toMatchObject({ status: 0 });
    const tested = promtool(['test', 'rules', 'batond.rules.test.yml'], { cwd: FOLDER });
    expect(tested, tested.text).toMatchObject({ status: 0 });
  });

  test('parses every query of the dashboard', () => {
    const folder = mkdtempSync(join(tmpdir(), 'batond-queries-'));
    const file = join(folder, 'queries.yml');
    const recorded = (expr: string, at: number) => ({
      record: `query:${at}`.replace(/\d/g, (d) => 'abcdefghij'[+d]!),
      expr,
    });
    try {
      // JSON is YAML. A query that is a rule of its own is one that parses.
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules: queriesOf(dashboard).map(recorded) }] }));
      const checked = promtool(['check', 'rules', file]);
      expect(checked, checked.text).toMatchObject({ status: 0 });
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules: [recorded('rate(a[$x])', 0)] }] }));
      expect(promtool(['check', 'rules', file]).status).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
