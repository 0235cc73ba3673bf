/**
 * Questions that a worker answers with their number: each has a deadline, after which it counts as not answered, and
 * what comes later is nobody's.
 */
export class Questions<Answer> {
  readonly #waiting = new Map<number, (answer: Answer | null) => void>();

  /** Null where no answer comes in time, or none will. `put` asks it. */
  ask(id: number, timeoutMs: number, put: () => void): Promise<Answer | null> {
    return new Promise((resolve) => {
      const settle = (answer: Answer | null) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => settle(null), timeoutMs);
      this.#waiting.set(id, settle);
      put();
    });
  }

  answer(id: number, answer: Answer): void {
    this.#waiting.get(id)?.(answer);
  }

  /** Nobody will answer any more. */
  end(): void {
    for (const settle of [...this.#waiting.values()]) settle(null);
  }
}
