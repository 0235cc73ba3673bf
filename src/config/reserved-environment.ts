/**
 * The variables that speak of the supervisor's own process and would deceive a worker: what systemd says to its main
 * process, and the channel of a Node program that may have started batond. They are dropped from what workers inherit
 * and refused in the config.
 *
 * The names are whole on purpose: an app's own LISTEN_PORT or WATCHDOG_URL is none of ours. What is true for every
 * process of the unit stays: INVOCATION_ID, RUNTIME_DIRECTORY, STATE_DIRECTORY, CREDENTIALS_DIRECTORY and their like.
 */
export const RESERVED_VARIABLES: ReadonlySet<string> = new Set([
  'NOTIFY_SOCKET',
  'LISTEN_PID',
  'LISTEN_PIDFDID',
  'LISTEN_FDS',
  'LISTEN_FDNAMES',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
  'MAINPID',
  'FDSTORE',
  'SYSTEMD_EXEC_PID',
  // A worker has streams of its own; libraries compare this one with fstat(2) of theirs.
  'JOURNAL_STREAM',
  // Node takes these for its own channel and closes or reads a descriptor that is something else.
  'NODE_CHANNEL_FD',
  'NODE_CHANNEL_SERIALIZATION_MODE',
  'NODE_UNIQUE_ID',
]);

/** What is batond's own begins with it. */
export const RESERVED_PREFIX = 'BATOND_';

export function isReservedVariable(name: string): boolean {
  return RESERVED_VARIABLES.has(name) || name.startsWith(RESERVED_PREFIX);
}
