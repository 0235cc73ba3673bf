/**
 * Sends one trace with the official SDK of OpenTelemetry, in a process of its own that lives no longer: what the SDK needs
 * to load, and a collector that hangs, are nobody else's. The trace is on its standard input; where it is sent to the
 * exporter reads from its environment. It says on standard error why it has failed.
 */
import type { HrTime } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { VERSION } from '../version.js';
import type { SpanPlan, TracePlan } from './reload-trace.js';
import { NO_SDK } from './sdk.js';

async function load() {
  const [api, base, exporter, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  return { api, base, exporter, resources };
}

type Sdk = Awaited<ReturnType<typeof load>>;

async function loadOrExplain(): Promise<Sdk> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(NO_SDK);
  }
}

/** A number would count from the start of this process, which is later than all of it. */
const time = (ms: number): HrTime => [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)];

function spansOf({ api, base, resources }: Sdk, plan: TracePlan): ReadableSpan[] {
  const ended: ReadableSpan[] = [];
  const collect = {
    onStart: () => {},
    onEnd: (span: ReadableSpan) => void ended.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  const random = new base.RandomIdGenerator();
  /** The reload's own, which comes first. */
  let own: string | null = plan.reload === null ? null : plan.spanId;
  const provider = new base.BasicTracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': plan.service, 'host.name': plan.host }))
      // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [collect],
    idGenerator: {
      generateTraceId: () => plan.traceId,
      generateSpanId: () => {
        const id = own ?? random.generateSpanId();
        own = null;
        return id;
      },
    },
  });
  const tracer = provider.getTracer('batond', VERSION);
  const within = (traceId: string, spanId: string, traceFlags: number) =>
    api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
  const add = ({ name, startMs, endMs, attributes, error }: SpanPlan, context: ReturnType<typeof within>) => {
    const span = tracer.startSpan(name, { startTime: time(startMs), attributes }, context);
    if (error !== null) span.setStatus({ code: api.SpanStatusCode.ERROR, message: error });
    span.end(time(endMs));
  };
  const { parent } = plan;
  if (plan.reload !== null) {
    add(plan.reload, parent === null ? api.ROOT_CONTEXT : within(parent.traceId, parent.spanId, parent.flags));
  }
  for (const part of plan.parts) add(part, within(plan.traceId, plan.spanId, 1));
  return ended;
}

async function send(plan: TracePlan): Promise<void> {
  const sdk = await loadOrExplain();
  const exporter = new sdk.exporter.OTLPTraceExporter();
  const spans = spansOf(sdk, plan);
  await new Promise<void>((resolve, reject) => {
    exporter.export(spans, ({ code, error }) => {
      if (code === 0) resolve();
      else reject(error ?? new Error('the exporter does not say why'));
    });
  });
  await exporter.shutdown();
}

async function read(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk;
  return text;
}

try {
  await send(JSON.parse(await read()) as TracePlan);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
