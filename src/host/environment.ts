/** What a supervisor finds in its environment: what systemd would say to it, and who stands in for systemd. */
import { ACTIVATION_VARIABLES } from '../systemd/activation.js';
import type { StoredFd } from './fd-store.js';

/** The host's pid, for the supervisor to notice its death; see host-watch.ts. */
export const HOST_ENVIRONMENT = 'BATOND_HOST';

const MEANT_FOR_THE_HOST = [...ACTIVATION_VARIABLES, 'WATCHDOG_PID', 'WATCHDOG_USEC'];

/**
 * As the host's own, but for what is said to the host itself, which is none of the supervisor's. LISTEN_PID is left to
 * who starts it: only the new process has the number.
 */
export function supervisorEnvironment(
  env: Readonly<Record<string, string>>,
  said: Readonly<Record<string, string>>,
  stored: readonly StoredFd[],
  fdStoreMax: number,
): string[] {
  const own = Object.entries(env).filter(([key]) => !MEANT_FOR_THE_HOST.includes(key));
  const passed = {
    LISTEN_FDS: String(stored.length),
    LISTEN_FDNAMES: stored.map(({ name }) => name).join(':'),
  };
  const variables = {
    ...Object.fromEntries(own),
    ...said,
    [HOST_ENVIRONMENT]: String(process.pid),
    // As systemd says it since 254.
    FDSTORE: String(fdStoreMax),
    ...(stored.length === 0 ? {} : passed),
  };
  return Object.entries(variables).map(([key, value]) => `${key}=${value}`);
}
