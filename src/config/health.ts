/** What the keys of health, probes and the admin listener come to, and what they are where an older record lacks them. */
import type { Config, HealthConfig, ProbeConfig, ProbesConfig } from './config.js';
import { settingsOfDefaults, type Values, valuesOf } from './settings.js';

const PROBES = ['startup', 'readiness', 'liveness'] as const;

export type ProbeName = (typeof PROBES)[number];

export function buildHealth(values: Values): HealthConfig {
  return {
    levels: {
      degradedFailures: values['health.degraded_failures'],
      degradedWithinMs: values['health.degraded_within'],
      unhealthyFailures: values['health.unhealthy_failures'],
      unhealthyWithinMs: values['health.unhealthy_within'],
      recoverSamples: values['health.recover_samples'],
    },
    checkTimeoutMs: values['health.check_timeout'],
    regretAfterMs: values['health.regret_after'],
  };
}

export function buildProbes(values: Values): ProbesConfig {
  const [startup, readiness, liveness] = PROBES.map((name) => buildProbe(values, name));
  return { startup: startup!, readiness: readiness!, liveness: liveness! };
}

/** A port alone is that of this machine: what is told here is not for everybody. */
export function buildAdmin(values: Values): NonNullable<Config['admin']> {
  const [listen, agent] = [values['admin.listen'], values['admin.agent']].map((value) => {
    const address = value as NonNullable<Config['admin']>['listen'];
    return address?.kind === 'tcp' && address.host === null ? { ...address, host: '127.0.0.1' } : address;
  });
  return { listen: listen ?? null, agent: agent ?? null, dashboard: values['admin.dashboard'] };
}

export function healthOf({ health }: Config): HealthConfig {
  return health ?? buildHealth(valuesOf(settingsOfDefaults()));
}

export function probesOf({ probes }: Config): ProbesConfig {
  return probes ?? { startup: null, readiness: null, liveness: null };
}

/** "200-399", as the table of keys lets it through. */
export function parseStatuses(text: string): { readonly minStatus: number; readonly maxStatus: number } {
  const [min, max = min] = text.split('-').map(Number);
  return { minStatus: min!, maxStatus: max! };
}

function buildProbe(values: Values, name: ProbeName): ProbeConfig | null {
  const [path, check, notify] = [
    values[`probe.${name}.path`],
    values[`probe.${name}.check`],
    values[`probe.${name}.notify`],
  ];
  if (path === null && check === null && !notify) return null;
  return {
    by:
      path !== null
        ? { kind: 'path', path, ...parseStatuses(values[`probe.${name}.status`]) }
        : check !== null
          ? { kind: 'check', check }
          : { kind: 'notify' },
    timeoutMs: values[`probe.${name}.timeout`],
    intervalMs: values[`probe.${name}.interval`],
    failures: name === 'startup' ? Number.MAX_SAFE_INTEGER : values[`probe.${name}.failures`],
    successes: name === 'liveness' ? 1 : values[`probe.${name}.successes`],
  };
}
