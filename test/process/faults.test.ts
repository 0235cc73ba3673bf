/**
 * The fault matrix: at every transition of a takeover and of a roll, each process that takes part in it is killed or
 * stopped. Here a sample; `npm run test:faults` plays all, see CONTRIBUTING.md.
 */
import { afterAll, expect, test } from 'vitest';
import { CASES, type Case, sample } from '../support/faults/matrix/cases.js';
import { play } from '../support/faults/matrix/play.js';
import { Stages } from '../support/faults/matrix/stage.js';

/** One of each kind of end: told why, told by the next supervisor, not there to be told, told late. */
const CHOSEN = [
  'predecessor.starting.hello S2 SIGKILL',
  'predecessor.handing.acknowledged client SIGKILL',
  'successor.waiting.yours incumbent SIGKILL',
  'roll.switching.opened S2 SIGKILL',
  'roll.switching.opened incumbent SIGKILL',
  'roll.committing.committed client SIGSTOP',
];

const { only, size, seed }: { only?: string; size?: number; seed?: number } = JSON.parse(
  process.env.BATOND_FAULTS ?? '{}',
);
const wanted = process.env.BATOND_FAULTS === undefined ? CASES.filter(({ name }) => CHOSEN.includes(name)) : asked();

function asked(): readonly Case[] {
  const cases = CASES.filter(({ name }) => only === undefined || name.includes(only));
  return size === undefined ? cases : sample(cases, size, seed ?? 1);
}

const stages = new Stages();
afterAll(() => stages[Symbol.asyncDispose]());

// Beside each other only where nothing else runs: `npm test` has other files at the same time.
(process.env.BATOND_FAULTS === undefined ? test : test.concurrent).for(wanted)(
  '$name',
  { timeout: 180_000 },
  async (one, { task }) => {
    const { machine, state, event } = one.cell;
    const row = { machine, state, event, victim: one.victim, signal: one.signal };
    Object.assign(task.meta, { row, total: wanted.length });
    const stage = await stages.take();
    try {
      const played = await play(one, stage);
      Object.assign(task.meta, { row: { ...row, ...played } });
      if (played.worn) await stage[Symbol.asyncDispose]();
      else stages.give(stage);
    } catch (error) {
      const log = stage.service.log.split('\n').slice(-60).join('\n');
      await stage[Symbol.asyncDispose]();
      expect.fail(`${(error as Error).message}\n${log}`);
    }
  },
);
