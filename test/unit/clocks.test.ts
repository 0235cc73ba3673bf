/** The date of a machine jumps, by hand, by NTP, by a suspended guest: no deadline and no decision may hang on it. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const SRC = new URL('../../src/', import.meta.url);

/** Where the date is a fact that is told to people, and nothing is reckoned with it but how long ago that was. */
const TOLD = new Set([
  'cli/status.ts', // "reloaded 3 min ago"
  'cli/events.ts', // "what happened in the last 10 minutes"
  'events/feed.ts', // when it happened, and a number to begin with that is higher than those of before
  'inventory/after-death.ts', // when the verdict was given
  'inventory/inventory.ts', // when the service was first started
  'inventory/report.ts', // when the reload began
  'lines/outlets.ts', // when a line came that has no time of its own
  'supervisor/crash-keeping.ts', // the name of a folder
  'supervisor/evidence.ts', // the name of a folder
  'supervisor/going-on.ts', // when the verdict was given
  'supervisor/profiling.ts', // the name of a file
  'supervisor/live-config.ts', // when the configuration was read
  'supervisor/roller.ts', // when the verdict was given
  'supervisor/startup-profile.ts', // the name of a file
  'supervisor/start-config.ts', // when a configuration was good
  'supervisor/attempts.ts',
  'supervisor/diagnosis.ts', // when the verdict was given
  'supervisor/first-start.ts', // the same
  'supervisor/reloads.ts', // the same
  'watch/watch.ts', // the time of a frame, and "3 min ago"
]);
/** Where it is waited for after all, because people have set it by the clock on the wall. */
const OF_THE_WALL = new Set([
  'process/week-time.ts', // windows such as "Fri 18:00", which hold by it and by nothing else
]);
/** `now` of a release is what `batond status` says of its age. */
const OF_A_RELEASE = /resolveRelease\([^\n]*now: Date\.now\(\)/g;

test('the date is told, and never waited for', () => {
  const using = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .filter((name) => {
      const text = readFileSync(new URL(name, SRC), 'utf8').replaceAll(OF_A_RELEASE, '');
      return /\bDate\.now\(|\bnew Date\(\)/.test(text);
    });
  expect(using.sort()).toEqual([...TOLD, ...OF_THE_WALL].sort());
});
