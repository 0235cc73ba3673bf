// Says whether this machine has the Prometheus that tests let scrape a service, with its promtool, and if not why.

import { spawnSync } from 'node:child_process';

/** @returns {{ ok: true } | { ok: false, why: string }} */
export function prometheusAvailable() {
  const lacking = ['prometheus', 'promtool'].filter((program) => spawnSync(program, ['--version']).status !== 0);
  return lacking.length === 0 ? { ok: true } : { ok: false, why: `there is no ${lacking.join(' and no ')}` };
}
