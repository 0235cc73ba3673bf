/**
 * Sees to it that the predecessor leaves. It has nothing to do after `yours` but to wait, for seconds, until systemd has
 * heard it out. One that hangs there holds duplicates of every listener and channel: a stop would leave addresses bound,
 * and workers would never see their channel close.
 */
import { constants } from 'node:os';
import { Descriptor } from '../inventory/descriptor.js';
import type { Log } from '../log.js';
import { type Fd, native } from '../native.js';

/** Longer than its barrier and its last words together may take. */
const LEAVE_MS = 15_000;

export interface Predecessor {
  /** From here on it has to go. */
  leaves(log: Log): void;
}

/** Who made the takeover channel, unix(7): asked while that one is certain to be there, so the number is its own. */
export function predecessorOf(channel: Fd): Predecessor {
  const { pid } = native().peerCredentials(channel);
  const opened = native().pidfdOpen(pid);
  const pidfd = opened === null ? null : new Descriptor(opened);
  return {
    leaves: (log) => {
      if (pidfd !== null) expectEnd(pid, pidfd, log);
    },
  };
}

function expectEnd(pid: number, pidfd: Descriptor, log: Log): void {
  const watcher = native().watch(pidfd.fd, { readable: true, writable: false }, () => {
    clearTimeout(deadline);
    watcher.close();
    pidfd.close();
  });
  watcher.unref();
  const deadline = setTimeout(() => {
    log.warn(
      { event: 'kill-predecessor', pid },
      `the predecessor (pid ${pid}) has not ended ${LEAVE_MS / 1_000} s after it handed everything over: SIGKILL`,
    );
    native().pidfdSignal(pidfd.fd, constants.signals.SIGKILL);
  }, LEAVE_MS);
  deadline.unref();
}
