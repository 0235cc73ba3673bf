// The types of available.mjs, which is JavaScript so that `npm test` asks it before anything is compiled.

export const BROWSER: string;

/** Says whether this machine has the browser that the tests drive, and if not why. */
export function browserAvailable(): { ok: true } | { ok: false; why: string };
