/** Where the time of a start goes: the moments that the worker has noted, and what its profile says between. Pure. */
import { isNullOr, isNumber, isShape } from '../shape.js';
import type { StartupMarks } from '../worker/startup.js';
import { type CpuProfile, sampleTimes } from './cpu-profile.js';
import { type CpuSummary, summarizeCpu } from './cpu-summary.js';
import { BATOND, NODE, ownerOf } from './place.js';

export type StartupPhase = 'node' | 'preload' | 'load' | 'app' | 'ready';

export interface StartupSummary extends CpuSummary {
  /**
   * One after the other, from the start of the process: Node itself; batond beside it; until the first instruction of the
   * app; until it listens; until it is ready. One that did not come to be is part of the next.
   */
  readonly phases: readonly { readonly phase: StartupPhase; readonly ms: number }[];
  readonly totalMs: number;
}

const isMarks = isShape<StartupMarks>({
  bootstrapped: isNumber,
  preload: isNumber,
  evaluated: isNullOr(isNumber),
  listen: isNullOr(isNumber),
  ready: isNullOr(isNumber),
});

/** Throws where it is the profile of something else. */
export function summarizeStartup(profile: CpuProfile, ownFolder: string): StartupSummary {
  const marks = (profile as { batond?: { marks?: unknown } }).batond?.marks;
  if (!isMarks(marks)) throw new Error('it is no profile of a start');
  const { bootstrapped, preload, listen, ready } = marks as StartupMarks;
  const first = firstOfApp(profile, ownFolder);
  const begun = first === null ? null : preload + first;
  const moments: [StartupPhase, number | null][] = [
    ['node', bootstrapped],
    ['preload', preload],
    // A small app listens before a sample has met it: then nobody knows when it began.
    ['load', begun !== null && begun <= (listen ?? ready ?? 0) ? begun : null],
    ['app', listen],
    ['ready', ready],
  ];
  let before = 0;
  const phases = moments.flatMap(([phase, atMs]) => {
    if (atMs === null || atMs < before) return [];
    const ms = Math.round((atMs - before) * 10) / 10;
    before = atMs;
    return { phase, ms };
  });
  return { ...summarizeCpu(profile, ownFolder), phases, totalMs: Math.round(before * 10) / 10 };
}

/** Milliseconds from the start of the profile to the first sample of what is neither Node's nor batond's; null for none. */
function firstOfApp(profile: CpuProfile, ownFolder: string): number | null {
  const isApp = new Set<number>();
  for (const { id, callFrame } of profile.nodes) {
    const owner = ownerOf(callFrame.url, ownFolder);
    if (owner !== null && owner !== NODE && owner !== BATOND) isApp.add(id);
  }
  // What an app calls comes below it, and what it calls first is most often something of Node's.
  for (const { id, children = [] } of profile.nodes) if (isApp.has(id)) for (const child of children) isApp.add(child);
  const at = profile.samples.findIndex((id) => isApp.has(id));
  if (at < 0) return null;
  const before = (profile.timeDeltas[0] ?? 0) / 1_000;
  return (
    before +
    sampleTimes(profile)
      .slice(0, at)
      .reduce((all, ms) => all + ms, 0)
  );
}
