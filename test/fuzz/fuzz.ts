/**
 * One target of the fuzzing: inputs by the thousand against one property, as a test. `npm test` runs a few thousand of a
 * fixed seed; `npm run test:fuzz` as many as it is told, of a new one. A failure says its seed, the smallest input that
 * shows it, and how to run it again.
 *
 * Beside its own property every target is held to: no input takes long, none leaves a descriptor behind, and memory does
 * not grow with their number.
 */
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { touch, watch } from './watchdog.js';

const INPUTS = Number(process.env.BATOND_FUZZ_INPUTS ?? 2_000);
const SEED = Number(process.env.BATOND_FUZZ_SEED ?? 1);
/** One input, on a machine that does other things too. */
const SLOW_MS = 5_000;
/** Garbage that was not collected yet, beside what the runner keeps. */
const GROWTH_BYTES = 400 * 1024 * 1024;
const INPUTS_PER_LOOK = 1_000;

export interface Options {
  /** The part of the inputs that a target gets which opens sockets, writes files or the like. */
  readonly share?: number;
}

declare module 'vitest' {
  interface TaskMeta {
    /** For the table of scripts/test-fuzz.mjs. */
    fuzz?: { inputs: number; seconds: number; peakRssBytes: number };
  }
}

/** `check` throws where the property does not hold. */
export function fuzz<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void | Promise<void>,
  { share = 1 }: Options = {},
): void {
  test(name, { timeout: 24 * 60 * 60 * 1000 }, async ({ task }) => {
    const numRuns = Math.max(1, Math.round(INPUTS * share));
    await watch(`${name}, seed ${SEED}`);
    const meter = new Meter();
    const property = fc.asyncProperty(inputs, async (input) => {
      touch();
      const begun = performance.now();
      const result = check(input);
      if (result !== undefined) await result;
      const took = performance.now() - begun;
      if (took > SLOW_MS) throw new Error(`it took ${Math.round(took)} ms`);
      meter.count();
    });
    const descriptors = openDescriptors();
    const begun = performance.now();
    const details = await fc.check(property, { numRuns, seed: SEED });
    await watch(null);
    const seconds = (performance.now() - begun) / 1_000;
    task.meta.fuzz = { inputs: details.numRuns, seconds, peakRssBytes: meter.peak };
    if (details.failed) throw failure(name, numRuns / share, details);
    // What the last input began to close may need a turn or two of the loop.
    await expect.poll(openDescriptors, { timeout: 10_000, message: 'descriptors after all inputs' }).toBe(descriptors);
    expect(meter.growth, `bytes of memory more than after the first ${INPUTS_PER_LOOK} inputs`).toBeLessThan(
      GROWTH_BYTES,
    );
  });
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function failure<T>(name: string, inputs: number, { seed, counterexample, errorInstance }: fc.RunDetails<[T]>): Error {
  const error = errorInstance as Error | null;
  const again = `npm run test:fuzz -- --target ${JSON.stringify(name)} --seed ${seed} --inputs ${inputs}`;
  return new Error(
    `${error?.message}\nthe smallest input: ${fc.stringify(counterexample?.[0])}\nrun it again: ${again}\n`,
    { cause: error },
  );
}

class Meter {
  #inputs = 0;
  #first: number | null = null;
  #last = 0;
  peak = process.memoryUsage.rss();

  count(): void {
    if (++this.#inputs % INPUTS_PER_LOOK !== 0) return;
    this.#last = process.memoryUsage.rss();
    this.#first ??= this.#last;
    this.peak = Math.max(this.peak, this.#last);
  }

  get growth(): number {
    return this.#last - (this.#first ?? this.#last);
  }
}
