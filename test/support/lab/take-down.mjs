// Ends a lab of another process: asks its keeper and waits until it is gone. It must never kill the keeper first, as
// only a living keeper removes the cgroup and the folder at once.

import { setTimeout as pause } from 'node:timers/promises';
import { isAlive } from './places.mjs';
import { removeLab } from './sweep.mjs';

const deadlineMs = 20_000;

/** @param {import('./places.mjs').LabRecord} record */
export async function takeDown(record) {
  if (isAlive(record.keeper)) process.kill(record.keeper.pid, 'SIGTERM');
  const end = Date.now() + deadlineMs;
  while (isAlive(record.keeper)) {
    if (Date.now() > end)
      throw new Error(`lab ${record.name}: its keeper (${record.keeper.pid}) still runs after ${deadlineMs} ms`);
    await pause(10);
  }
  await removeLab(record);
}
