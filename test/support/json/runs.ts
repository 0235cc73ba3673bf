/**
 * How each command is run whose --json is held against its schema: by its row of src/cli/json-output.ts, the arguments
 * behind "--name shop". They run one after the other, so that what one leaves is there for the next.
 */

export type Run = readonly string[];

/** Without systemd, in this order. A command that gets --json gets a row here, or below. */
export const HOSTED_RUNS: Readonly<Record<string, Run>> = {
  crashes: ['crashes'],
  'crashes last': ['crashes', 'last'],
  reload: ['reload', '--no-old-after', '20s'],
  rollback: ['rollback', '--to', '1'],
  status: ['status'],
  health: ['health'],
  report: ['report'],
  'report --list': ['report', '--list'],
  history: ['history'],
  'profile cpu': ['profile', 'cpu', '--seconds', '0.1'],
  'profile heap': ['profile', 'heap'],
  'profile startup': ['profile', 'startup'],
  events: ['events'],
  doctor: ['doctor'],
  check: ['check'],
};

/** What speaks of no service: `RELEASE` stands for the folder of a release. */
export const PLAIN_RUNS: Readonly<Record<string, Run>> = {
  seal: ['seal', 'RELEASE'],
  'seal --check': ['seal', '--check', 'RELEASE'],
};

/** Under systemd, where a server.js is. */
export const INSTALLED_RUNS: Readonly<Record<string, Run>> = {
  install: ['install', 'server.js'],
  logs: ['logs', '--lines', '5'],
  uninstall: ['uninstall'],
};
