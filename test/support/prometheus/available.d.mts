// The types of available.mjs, which is JavaScript so that `npm test` asks it before anything is compiled.

/** Says whether this machine has the Prometheus that tests let scrape a service, with its promtool, and if not why. */
export function prometheusAvailable(): { ok: true } | { ok: false; why: string };
