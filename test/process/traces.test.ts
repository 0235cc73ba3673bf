/** Reloads as a collector of OpenTelemetry gets them from the official SDK. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NO_SDK } from '../../src/tracing/sdk.js';
import { Collector, type ReceivedSpan } from '../support/otlp/collector.js';
import { NODE, ROOT } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const STEP = 'b7ad6b7169203331';

/** All that is there when these are: the drains come by themselves. */
async function until(service: HostedService, collector: Collector, ...names: string[]): Promise<ReceivedSpan[]> {
  await eventually(
    () => collector.spans.map(({ name }) => name),
    (found) => names.every((name) => found.includes(name)),
    { deadlineMs: 20_000, what: () => `${names.join(' and ')} are there; log:\n${service.log}` },
  );
  return collector.spans.splice(0);
}

test('a reload is a trace with its phases, a part of a pipeline, and waits for no collector', async () => {
  await using collector = await Collector.start();
  await using service = await HostedService.start({
    workers: 1,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_TIMEOUT: '500' },
  });
  service.deploy('answers');
  const traced = await service.reload({ TRACEPARENT: `00-${TRACE}-${STEP}-01` });
  expect(traced.verdict, service.log).toMatchObject({ ok: true, generation: 2 });
  const spans = await until(service, collector, 'reload', 'drain');
  const [root] = spans.filter(({ name }) => name === 'reload');
  expect(root).toMatchObject({
    traceId: TRACE,
    parentSpanId: STEP,
    scope: 'batond',
    resource: { 'service.name': 'shop' },
    attributes: {
      'batond.generation.from': 1,
      'batond.generation.to': 2,
      'batond.release': 'r2@2.0.0',
      'batond.verdict.code': 'ok',
    },
  });
  expect(root!.status.code).not.toBe(2);
  const parts = spans.filter((span) => span !== root);
  expect(parts.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['takeover', 'boot', 'probe', 'switch', 'commit', 'drain']),
  );
  for (const part of parts) {
    expect(part).toMatchObject({ traceId: TRACE, parentSpanId: root!.spanId });
    expect(part.startMs).toBeGreaterThanOrEqual(root!.startMs);
    expect(part.endMs).toBeGreaterThanOrEqual(part.startMs);
    if (part.name !== 'drain') expect(part.endMs).toBeLessThanOrEqual(root!.endMs + 1);
  }
  expect(Math.abs(root!.endMs - root!.startMs - traced.verdict!.durationMs)).toBeLessThan(500);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);

  service.deploy('exits-at-once');
  expect((await service.reload()).verdict).toMatchObject({ ok: false, code: 'CANDIDATE_EXITED' });
  const refused = await until(service, collector, 'reload', 'rollback');
  const [failed] = refused.filter(({ name }) => name === 'reload');
  expect(failed!.parentSpanId).toBeUndefined();
  expect(failed!.status.code).toBe(2);
  expect(failed!.traceId).not.toBe(TRACE);
  expect(refused.find(({ name }) => name === 'boot')).toMatchObject({
    status: { code: 2 },
    attributes: { 'batond.verdict.code': 'CANDIDATE_EXITED' },
  });

  collector.hangs = true;
  service.deploy('answers');
  expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true });
  await eventually(
    () => service.log,
    (log) => log.includes('the trace of a reload could not be sent'),
    { deadlineMs: 20_000, what: () => `the trace is given up; log:\n${service.log}` },
  );
  expect(collector.unanswered).toBeGreaterThan(0);
  expect(collector.spans).toEqual([]);
});

test('without the SDK it says which packages are missing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'batond-tracing-'));
  try {
    for (const part of ['package.json', 'dist/version.js', 'dist/tracing']) {
      cpSync(join(ROOT, part), join(folder, part), { recursive: true });
    }
    const send = join(folder, 'dist/tracing/send.js');
    const { status, stderr } = spawnSync(NODE, [send], { input: '{}', encoding: 'utf8', cwd: folder });
    expect(status, stderr).toBe(NO_SDK);
    expect(stderr).toContain("Cannot find package '@opentelemetry/");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
