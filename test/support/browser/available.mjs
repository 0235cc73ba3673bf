// Says whether this machine has the browser that the tests drive, and if not why, so that a skipped test can tell its
// reason.

import { accessSync, constants } from 'node:fs';

/** Debian's package `chromium`; BATOND_CHROMIUM names another one. */
export const BROWSER = process.env.BATOND_CHROMIUM ?? '/usr/bin/chromium';

/** @returns {{ ok: true } | { ok: false, why: string }} */
export function browserAvailable() {
  try {
    accessSync(BROWSER, constants.X_OK);
    return { ok: true };
  } catch {
    return { ok: false, why: `there is no ${BROWSER}` };
  }
}
