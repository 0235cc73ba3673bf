// What an idle service costs after several reloads: how often its supervisor wakes up, and how much memory is its own.
//
// A thread that sleeps until something happens switches away by itself once each time it was woken, so voluntary
// context switches of all threads count the wake-ups, proc_pid_status(5). PSS shares what processes have in common.

import { readdirSync, readFileSync } from 'node:fs';
import { startService } from './services.mjs';

const watchdogSeconds = 2;
/** V8 collects garbage once, some 8 s after the last work was done, on all of its threads; then it is quiet. */
const settleSeconds = 12;

/** @param {{ seconds: number, reloads: number, progress: (text: string) => void }} options */
export async function measureIdle({ seconds, reloads, progress }) {
  const plain = await sample({ seconds, reloads, progress, what: 'idle', env: {} });
  const env = { WATCHDOG_USEC: String(watchdogSeconds * 1_000_000) };
  const watched = await sample({ seconds, reloads, progress, what: 'idle with a watchdog', env });
  return {
    seconds,
    reloads,
    wakeUps: plain.wakeUps,
    wakeUpsByThread: plain.wakeUpsByThread,
    wakeUpsWatched: watched.wakeUps,
    // A sign of life is sent at half the interval.
    watchdogSigns: Math.ceil(seconds / (watchdogSeconds / 2)),
    supervisorPssMb: plain.supervisorPssMb,
    hostPssMb: plain.hostPssMb,
    workerPssMb: plain.workerPssMb,
  };
}

async function sample({ seconds, reloads, progress, what, env }) {
  const service = await startService({ workers: 2, env });
  try {
    for (let i = 0; i < reloads; i++) await service.reload();
    await service.untilDrained();
    const status = await service.status();
    const { pid } = status.supervisor;
    progress(`${what}: waiting until it is quiet`);
    await pause(settleSeconds);
    progress(`${what}: counting wake-ups for ${seconds} s`);
    const before = switches(pid);
    await pause(seconds);
    const after = switches(pid);
    const byThread = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)]);
    return {
      wakeUps: byThread.reduce((sum, [, count]) => sum + count, 0),
      wakeUpsByThread: Object.fromEntries(byThread.filter(([, count]) => count > 0)),
      supervisorPssMb: pssMb(pid),
      hostPssMb: pssMb(service.hostPid),
      workerPssMb: pssMb(status.generations[0].workers[0].pid),
    };
  } finally {
    await service.stop();
  }
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Voluntary context switches of each thread, by "tid name". */
function switches(pid) {
  const counts = new Map();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
    const field = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1];
    counts.set(`${tid} ${field('Name')}`, Number(field('voluntary_ctxt_switches')));
  }
  return counts;
}

function pssMb(pid) {
  const kb = Number(/^Pss:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
  return kb / 1024;
}
