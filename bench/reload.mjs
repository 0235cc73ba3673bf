// How much longer than the app's own start a reload takes until the new release answers a new connection, and where
// that time goes. Both are measured in turn, by the same questions at the same pace.

import { startBare, startService } from './services.mjs';
import { median } from './statistics.mjs';

/** @param {{ rounds: number, progress: (text: string) => void }} options */
export async function measureReload({ rounds, progress }) {
  const service = await startService();
  const bareMs = [];
  const reloads = [];
  try {
    // The first of each reads files that nobody has read yet.
    for (let round = -1; round < rounds; round++) {
      progress(`reload: round ${Math.max(1, round + 1)} of ${rounds}`);
      const bare = await startBare();
      await bare.stop();
      const reload = await service.reload();
      await service.untilDrained();
      if (round < 0) continue;
      bareMs.push(bare.startMs);
      reloads.push(reload);
    }
  } finally {
    await service.stop();
  }
  const firstAnswerMs = reloads.map((reload) => reload.firstAnswerMs);
  return {
    bareMs: median(bareMs),
    reloadMs: median(firstAnswerMs),
    differenceMs: median(firstAnswerMs.map((ms, i) => ms - bareMs[i])),
    phases: phasesOf(reloads),
  };
}

/** From one step to the next: what each took, in the median. */
function phasesOf(reloads) {
  const at = (reload, step) => reload.steps.find((one) => one.step === step);
  const phases = [
    ['`batond reload` starts and is heard', (r) => at(r, 'takeover').sinceStartMs],
    ['the next supervisor starts and takes over', (r) => at(r, 'boot').atMs - at(r, 'takeover').atMs],
    ['the app starts as a candidate', (r) => at(r, 'probe').atMs - at(r, 'boot').atMs],
    ['it is proved, accepts and is committed', (r) => at(r, 'commit').atMs - at(r, 'probe').atMs],
    ['the command ends, after the first answer', (r) => r.endMs - r.firstAnswerMs],
  ];
  return phases.map(([name, of]) => ({ name, ms: median(reloads.map(of)) }));
}
