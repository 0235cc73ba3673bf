// Says whether this machine has the HAProxy that the tests put before a service, and if not why.

import { spawnSync } from 'node:child_process';

/** Debian's package `haproxy` has it where only root's PATH looks. */
export const HAPROXY_PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

/** @returns {{ ok: true } | { ok: false, why: string }} */
export function haproxyAvailable() {
  const { status } = spawnSync('haproxy', ['-v'], { env: { PATH: HAPROXY_PATH } });
  return status === 0 ? { ok: true } : { ok: false, why: 'there is no haproxy' };
}
