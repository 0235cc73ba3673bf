// The types of available.mjs, which is JavaScript so that `npm test` asks it before anything is compiled.

export const HAPROXY_PATH: string;

/** Says whether this machine has the HAProxy that the tests put before a service, and if not why. */
export function haproxyAvailable(): { ok: true } | { ok: false; why: string };
