/**
 * What is signalled to a `batond run` before anything of it can act: kept for whoever acts, one of a kind.
 *
 * Without a listener SIGHUP and SIGUSR2 would end the process, and SIGUSR1 is Node's own: it opens the port of a debugger
 * to everybody on this machine. The first listener of the process replaces Node's handler, so this comes before all else.
 */
const EARLY = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

export type EarlySignal = (typeof EARLY)[number];

const waiting = new Set<EarlySignal>();
let hear: (signal: EarlySignal) => void = (signal) => waiting.add(signal);

export function listenEarly(): void {
  for (const signal of EARLY) process.on(signal, () => hear(signal));
}

/** From here on `heard` gets each of them, those that have waited first. */
export function takeSignals(heard: (signal: EarlySignal) => void): void {
  hear = heard;
  for (const signal of waiting) heard(signal);
  waiting.clear();
}
