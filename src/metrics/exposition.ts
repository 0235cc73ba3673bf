/**
 * Families as text, in the format that whoever scrapes wants. Of prom-client only its registry is loaded, which knows the
 * formats and their escapes: all of it takes 30 ms and 11 MB, for clients of other kinds and an API of traces.
 */
import type { MetricObject, Registry as Registered, RegistryContentType } from 'prom-client';
import Registry from 'prom-client/lib/registry.js';
import type { Family, MetricType } from './families.js';

export interface Exposition {
  readonly type: string;
  readonly text: string;
}

export type Format = 'text' | 'openMetrics';

/** What `Accept` prefers; the text format where it says nothing of either. RFC 9110, 12.5.1. */
export function formatFor(accept: string | undefined): Format {
  const quality = (wanted: RegExp): number =>
    Math.max(
      0,
      ...(accept ?? '')
        .split(',')
        .filter((range) => wanted.test(range.trim()))
        .map((range) => Number(/;\s*q=([\d.]+)/.exec(range)?.[1] ?? 1)),
    );
  return quality(/^application\/openmetrics-text\b/i) > quality(/^text\/(plain|\*)/i) ? 'openMetrics' : 'text';
}

/** `service` is on every line, so that several services can be told apart whatever they are scraped as. */
export async function expose(families: readonly Family[], service: string, format: Format): Promise<Exposition> {
  const type = format === 'openMetrics' ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  const registry = new Registry() as Registered<RegistryContentType>;
  registry.setContentType(type);
  registry.setDefaultLabels({ service });
  for (const family of families) registry.registerMetric(asMetric(family) as never);
  return { type, text: await registry.metrics() };
}

/** As the registry asks for it. It takes `_total` off the name of a counter and puts it on the lines, or leaves both. */
function asMetric({
  name,
  type,
  help,
  values,
}: Family): Pick<MetricObject, 'name'> & { type: MetricType; get(): Promise<object> } {
  return {
    name,
    type,
    async get() {
      return {
        name: this.name,
        type,
        help,
        values: values.map(({ suffix, labels, value }) => ({
          labels,
          value,
          ...(suffix !== '' && { metricName: `${this.name}${suffix}` }),
        })),
      };
    },
  };
}
