// Latencies in steps of 2 %, so that a run of any length takes the same few kilobytes. The maximum is exact.

const step = Math.log(1.02);
const smallestMs = 0.05;

export class Latencies {
  #counts = new Uint32Array(1024);
  #total = 0;
  #max = 0;

  /** @param {number} ms */
  add(ms) {
    const index = Math.max(0, Math.ceil(Math.log(ms / smallestMs) / step));
    this.#counts[Math.min(index, this.#counts.length - 1)] += 1;
    this.#total += 1;
    this.#max = Math.max(this.#max, ms);
  }

  summary() {
    return { p50: this.#quantile(0.5), p99: this.#quantile(0.99), max: round(this.#max) };
  }

  /** @param {number} share */
  #quantile(share) {
    let left = Math.ceil(this.#total * share);
    const index = this.#counts.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return this.#total === 0 ? 0 : round(Math.min(smallestMs * Math.exp(index * step), this.#max));
  }
}

/** @param {number} ms */
function round(ms) {
  return Math.round(ms * 100) / 100;
}
