/**
 * The end without a supervisor. The channel's other end is handed on in a takeover and kept by systemd over a crash, so
 * when it closes the unit has been stopped: what is in flight is finished, then the app is told as at any stop.
 */
import type { Drain } from './drain.js';

export const ORPHAN_DRAIN_MS = 30_000;
const EXIT_MS = 5_000;

export function endWithoutSupervisor(drain: Drain): void {
  let told = false;
  const tell = () => {
    if (told) return;
    told = true;
    clearTimeout(deadline);
    process.kill(process.pid, 'SIGTERM');
    // Not unref'd: an app that handles the signal and then forgets to exit would be an orphan for good.
    setTimeout(() => process.exit(), EXIT_MS);
  };
  const deadline = setTimeout(tell, ORPHAN_DRAIN_MS);
  drain.begin('wait', tell);
}
