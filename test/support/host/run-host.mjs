/** The host alone, with whatever is to act as its supervisor: `node run-host.mjs '{"folder", "argv", "fdStoreMax", "watchdogMs"}'`. */
import { join } from 'node:path';
import { runHost } from '../../../dist/host/host.js';
import { createLog } from '../../../dist/log.js';

const { folder, argv, fdStoreMax, watchdogMs = 30_000 } = JSON.parse(process.argv[2]);
process.exit(
  await runHost({
    name: 'shop',
    file: argv[0],
    argv,
    env: process.env,
    cwd: folder,
    runtimeDirectory: join(folder, 'run'),
    stateDirectory: join(folder, 'state'),
    stopTimeoutMs: 10_000,
    fdStoreMax,
    watchdogMs,
    terminal: false,
    log: createLog({ name: 'shop', level: 'info', env: process.env }),
    report: () => {},
  }),
);
