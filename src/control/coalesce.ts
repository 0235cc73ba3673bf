/**
 * Many ask, few runs: whoever asks while a run is under way gets the next one, which all of them share. So an answer is
 * never older than its question, and at most one run is under way however many wait.
 */
export function coalesce<T>(run: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | null = null;
  let next: Promise<T> | null = null;
  const start = (): Promise<T> => {
    next = null;
    const mine = run();
    current = mine;
    // Registered before anybody can ask for the next run, so it comes before that run's start.
    const over = () => {
      if (current === mine && next === null) current = null;
    };
    mine.then(over, over);
    return mine;
  };
  return () => {
    if (current === null) return start();
    next ??= current.then(start, start);
    return next;
  };
}
