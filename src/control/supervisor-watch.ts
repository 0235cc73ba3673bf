/**
 * For a `batond reload` that cannot wait for the next supervisor: under ExecReload= systemd starts none before this
 * very command has ended (service.c: the death of the main process waits for the control process). So it notices the
 * death itself, and reads the verdict where the next supervisor will read it.
 */
import { reloadAfterDeath } from '../inventory/after-death.js';
import { readLive } from '../inventory/live-file.js';
import { monotonicMs } from '../process/monotonic.js';
import { waitForExit } from '../process/wait-for-exit.js';
import type { ReloadOutcome } from './messages.js';

/** systemd sets it for control processes only, systemd.exec(5). */
export function isControlProcess(env: Readonly<Record<string, string | undefined>>): boolean {
  return env.MAINPID !== undefined;
}

/**
 * Resolves when no supervisor lives any more. One that hands over has put its heir on record before, so it is followed.
 * Null where nothing can be read; `mainPid` is who to watch then.
 */
export async function verdictWithoutSupervisor(liveFile: string, mainPid: number): Promise<ReloadOutcome | null> {
  for (let last = 0; ; ) {
    const { live } = readLive(liveFile);
    const supervisor = live?.supervisor ?? mainPid;
    if (supervisor === last) {
      return live === null ? null : (reloadAfterDeath(live.state, monotonicMs()) ?? live.state.lastReload);
    }
    last = supervisor;
    await waitForExit(supervisor);
  }
}
