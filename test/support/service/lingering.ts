/** How long old generations lived after their drain had begun, which is at the commit: as the supervisors logged it. */
export class Lingering {
  /** Milliseconds, of each generation that has gone. */
  readonly ms: readonly number[];

  constructor(log: string) {
    const begun = new Map<number, number>();
    const ms: number[] = [];
    for (const line of log.split('\n')) {
      if (!/"event":"(drain|gone)"/.test(line)) continue;
      const { event, generation, time } = JSON.parse(line) as { event: string; generation: number; time: number };
      if (event === 'drain') begun.set(generation, time);
      else ms.push(time - begun.get(generation)!);
    }
    this.ms = ms.sort((a, b) => a - b);
  }

  toString(): string {
    const at = (share: number) => this.ms[Math.ceil(this.ms.length * share) - 1];
    return `${this.ms.length} old generations lived for p50 ${at(0.5)}, p90 ${at(0.9)}, max ${this.ms.at(-1)} ms`;
  }
}
