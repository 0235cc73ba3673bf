/**
 * The supervisor's eye on its host. A host that is killed takes its fd store along and starts nobody again, so what is
 * below it has to end by itself. Every supervisor is the host's own child, successors too, so each sees it.
 */
import { Descriptor } from '../inventory/descriptor.js';
import { native } from '../native.js';
import { HOST_ENVIRONMENT } from './environment.js';

/** Calls `gone` once when the host has died, also before this was called; never where there is no host. */
export function watchHost(env: NodeJS.ProcessEnv, gone: () => void): void {
  const pid = Number(env[HOST_ENVIRONMENT] ?? 0);
  if (!Number.isInteger(pid) || pid <= 0) return;
  const opened = native().pidfdOpen(pid);
  // Only while it is our parent is the number that of the host, and with the pidfd open it stays so, getppid(2).
  if (opened === null || process.ppid !== pid) {
    if (opened !== null) native().close(opened);
    gone();
    return;
  }
  const pidfd = new Descriptor(opened);
  const watcher = native().watch(pidfd.fd, { readable: true, writable: false }, () => {
    watcher.close();
    pidfd.close();
    gone();
  });
  watcher.unref();
}
