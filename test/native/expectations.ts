/** What every function of the addon is held to: the right failure, and no descriptor left behind. */
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { expect } from 'vitest';
import { native } from '../../src/native.js';

export function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** The call throws an Error with `code`, its `errno`, and the name of the step. */
export function expectFailure(call: () => unknown, code: keyof typeof constants.errno, syscall: string): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(Error);
  expect(thrown).toMatchObject({ code, errno: constants.errno[code], syscall });
}

/** Fewer where each takes far longer: under the sanitizers a clone copies the tables of their shadow memory. */
const ROUNDS = Number(process.env.BATOND_ROUNDS ?? 1_000);

/** Synchronous, so that nothing else of this process opens or closes files meanwhile. */
export function expectNoLeak(round: () => void, rounds = ROUNDS): void {
  round();
  const before = openFds();
  for (let count = 0; count < rounds; count++) round();
  expect(openFds()).toBe(before);
}

/** As `expectNoLeak`, for a call that throws each time. */
export function expectNoLeakOnFailure(call: () => unknown, rounds = ROUNDS): void {
  expectNoLeak(() => expect(call).toThrow(), rounds);
}

export interface ProcessStat {
  readonly pid: number;
  readonly state: string;
  readonly parentPid: number;
  readonly group: number;
  readonly session: number;
}

/** /proc/PID/stat, proc(5); `null` where there is no such process (any more). */
export function processStat(pid: number | 'self'): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, parentPid, group, session] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return {
      pid: Number.parseInt(text, 10),
      state: state!,
      parentPid: Number(parentPid),
      group: Number(group),
      session: Number(session),
    };
  } catch {
    return null;
  }
}

function children(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processStat(Number(name)))
    .filter((stat) => stat !== null && stat.parentPid === process.pid) as ProcessStat[];
}

/** Children of this process that have ended and that nobody has waited for. */
export function zombies(): number[] {
  return children()
    .filter(({ state }) => state === 'Z')
    .map(({ pid }) => pid);
}

/** Reaps until no child is left; those that are about to end have until the deadline. */
export async function reapAll(): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (children().length > 0) {
    while (native().waitAny() !== null);
    if (Date.now() > deadline) throw new Error(`still running: ${JSON.stringify(children())}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
