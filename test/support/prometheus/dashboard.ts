/** What a dashboard of Grafana asks Prometheus for, and which metrics a query is of. */

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
}

/** Grafana's own variables, as it would fill them in. */
const FILLED: Readonly<Record<string, string>> = {
  $__rate_interval: '1m',
  $__range: '1h',
  $service: 'shop',
  $instance: '.*',
};

/** As Prometheus is asked. */
export function queriesOf({ panels, annotations }: Dashboard): string[] {
  const written = [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...annotations.list.flatMap(({ expr }) => expr ?? []),
  ];
  return written.map((expr) => expr.replace(/\$\w+/g, (variable) => FILLED[variable] ?? variable));
}

/** The names of batond's metrics, without what a histogram or a summary puts after its own. */
export function metricsIn(text: string): Set<string> {
  const names = [...text.matchAll(/\bbatond_\w+/g)].map(([name]) => name);
  return new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
}
