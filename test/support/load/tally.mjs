// What a load has seen so far: counts by bucket and mode, the first failures of each bucket, latencies, who answered
// from when to when, and the longest time without a good answer. It must never lose a request: each outcome is
// counted in exactly one bucket, and the sum of the buckets is the number of requests that ended.

import { Latencies } from './latencies.mjs';

export const buckets = /** @type {const} */ (['ok', 'refused', 'reset', 'cutShort', 'timedOut', 'wrong', 'broken']);
const samplesPerBucket = 5;
const maxReleases = 1000;

/** @typedef {typeof buckets[number]} Bucket */
/** @typedef {'fresh' | 'keepAlive' | 'slow' | 'upload' | 'idle'} Mode */
/** @typedef {{ at: string, afterMs: number, mode: Mode, phase: string, detail: string, ms: number }} Sample */
/** @typedef {{ release: string, count: number, first: string, last: string, pids: number[] }} SeenRelease */

export class Tally {
  #start = performance.now();
  #startedAt = new Date();
  /** @type {Map<Mode, { counts: Record<Bucket, number>, latencies: Latencies }>} */
  #modes = new Map();
  #quick = new Latencies();
  /** @type {Record<import('./exchange.mjs').Failure, Sample[]>} */
  #samples = { refused: [], reset: [], cutShort: [], timedOut: [], wrong: [], broken: [] };
  /** @type {Map<string, SeenRelease & { pidSet: Set<number> }>} */
  #releases = new Map();
  #lastOk = this.#start;
  #silence = { ms: 0, afterMs: 0 };
  #silenceCounts = true;
  /** Connections that were opened; closed idle by the server without harm; closed because an answer said so. */
  connections = 0;
  idleClosed = 0;
  closedByAnswer = 0;
  outstanding = 0;
  /** The longest time that this process was late to send: a starved generator must not be taken for a slow server. */
  maxLagMs = 0;

  /** @param {Mode} mode @param {number} ms @param {{ release?: string | undefined, pid?: number | undefined }} who */
  ok(mode, ms, { release, pid }) {
    const { counts, latencies } = this.#of(mode);
    counts.ok += 1;
    latencies.add(ms);
    if (mode === 'fresh' || mode === 'keepAlive') this.#quick.add(ms);
    this.#endSilence();
    if (release !== undefined) this.#saw(release, pid);
  }

  /** @param {Mode} mode @param {number} ms @param {import('./exchange.mjs').Failed} failure */
  failed(mode, ms, { bucket, phase, detail }) {
    this.#of(mode).counts[bucket] += 1;
    const samples = this.#samples[bucket];
    if (samples.length >= samplesPerBucket) return;
    const afterMs = Math.round(performance.now() - this.#start);
    samples.push({ at: new Date().toISOString(), afterMs, mode, phase, detail, ms: Math.round(ms) });
  }

  /** What comes after the stop is no silence of the server: nothing new is sent to it. */
  stopped() {
    this.#endSilence();
    this.#silenceCounts = false;
  }

  result() {
    const counts = sum([...this.#modes.values()].map((mode) => mode.counts));
    const requests = buckets.reduce((total, bucket) => total + counts[bucket], 0);
    this.#noteSilence();
    return {
      startedAt: this.#startedAt.toISOString(),
      seconds: Math.round(performance.now() - this.#start) / 1000,
      requests,
      ...counts,
      failures: requests - counts.ok,
      connections: this.connections,
      idleClosed: this.idleClosed,
      closedByAnswer: this.closedByAnswer,
      outstanding: this.outstanding,
      latency: this.#quick.summary(),
      longestSilence: { ms: Math.round(this.#silence.ms), afterMs: Math.round(this.#silence.afterMs) },
      maxLagMs: Math.round(this.maxLagMs),
      releases: [...this.#releases.values()].map(({ pidSet, ...seen }) => ({ ...seen, pids: [...pidSet] })),
      modes: Object.fromEntries(
        [...this.#modes].map(([mode, { counts, latencies }]) => [mode, { ...counts, latency: latencies.summary() }]),
      ),
      samples: this.#samples,
    };
  }

  /** @param {Mode} mode */
  #of(mode) {
    const known = this.#modes.get(mode);
    if (known !== undefined) return known;
    const entry = { counts: sum([]), latencies: new Latencies() };
    this.#modes.set(mode, entry);
    return entry;
  }

  #endSilence() {
    this.#noteSilence();
    this.#lastOk = performance.now();
  }

  #noteSilence() {
    const ms = performance.now() - this.#lastOk;
    if (this.#silenceCounts && ms > this.#silence.ms) this.#silence = { ms, afterMs: this.#lastOk - this.#start };
  }

  /** @param {string} release @param {number | undefined} pid */
  #saw(release, pid) {
    const now = new Date().toISOString();
    const known = this.#releases.get(release);
    if (known === undefined && this.#releases.size >= maxReleases) return;
    const seen = known ?? { release, count: 0, first: now, last: now, pids: [], pidSet: new Set() };
    if (known === undefined) this.#releases.set(release, seen);
    seen.count += 1;
    seen.last = now;
    if (pid !== undefined) seen.pidSet.add(pid);
  }
}

/** @param {Record<Bucket, number>[]} counts @returns {Record<Bucket, number>} */
function sum(counts) {
  return /** @type {Record<Bucket, number>} */ (
    Object.fromEntries(buckets.map((bucket) => [bucket, counts.reduce((total, one) => total + one[bucket], 0)]))
  );
}
