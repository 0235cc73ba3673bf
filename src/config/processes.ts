/** From the tables that a user wrote as `[[service.process]]` to processes, and what can be wrong with them together. */
import type { ReadyBy } from '../channel/messages.js';
import type { ProcessConfig, Program, Tier } from './config.js';
import { formatPath, type Path, type Problem } from './problem.js';
import type { TomlDocument } from './read-toml.js';

/** Slots of a generation, those of all its processes together. */
export const MAX_SLOTS = 256;

/** One table, each value checked by itself. */
export interface WrittenProcess {
  readonly name: string;
  readonly entry: string | null;
  readonly command: readonly string[] | null;
  readonly args: readonly string[];
  readonly workers: number;
  readonly env: Readonly<Record<string, string>>;
  readonly ready: ReadyBy | null;
  readonly tier: Tier;
}

/** `node` makes the program of an entry, with the runtime of the service. */
export function processConfigs(
  written: unknown,
  node: (entry: string, args: readonly string[]) => Program,
): ProcessConfig[] {
  return ((written ?? []) as readonly WrittenProcess[]).map(
    ({ name, entry, command, args, workers, env, ready, tier }) => ({
      name,
      program: entry === null ? { kind: 'command', command: command ?? [] } : node(entry, args),
      workers,
      env,
      ready: ready ?? (entry === null ? 'notify' : 'load'),
      tier,
    }),
  );
}

/** `mainWorkers` is null where that was refused already. */
export function checkProcesses(
  written: unknown,
  mainWorkers: number | null,
  document: TomlDocument,
  problems: Problem[],
): void {
  const processes = (written ?? []) as readonly WrittenProcess[];
  const report = (path: Path, text: string) =>
    problems.push({ place: document.placeOf(path), key: formatPath(path), text });
  const seen = new Map<string, number>();
  let slots = mainWorkers ?? 0;
  for (const [index, { name, entry, command, args, workers, ready }] of processes.entries()) {
    const path: Path = ['service', 'process', index];
    const first = seen.get(name);
    if (first === undefined) seen.set(name, index);
    else report([...path, 'name'], `"${name}" is that of ${formatPath(['service', 'process', first])} already`);
    if (entry === null && command === null) {
      report(path, 'there is nothing to run: write entry = "queue.js", or command = ["./queue"]');
    }
    if (entry !== null && command !== null) {
      report([...path, 'command'], 'entry is there too: a process is one or the other');
    }
    if (entry === null && args.length > 0) {
      report([...path, 'args'], 'a command has no args: write them into command');
    }
    if (entry === null && ready !== null && ready !== 'notify') {
      const text = `"${ready}" cannot be seen from outside a command: it must say READY=1, which is "notify"`;
      report([...path, 'ready'], text);
    }
    if (slots <= MAX_SLOTS && slots + workers > MAX_SLOTS) {
      const text = `with it the service has ${slots + workers} workers, which is more than ${MAX_SLOTS}`;
      report([...path, 'workers'], text);
    }
    slots += workers;
  }
}

/** "queue (auxiliary, 2 workers): /srv/queue.js", for people; `quote` puts a command together. */
export function describeProcess(
  { name, tier, workers, program }: ProcessConfig,
  quote: (words: readonly string[]) => string,
): string {
  const runs = program.kind === 'command' ? quote(program.command) : [program.entry, quote(program.args)].join(' ');
  return `${name} (${tier}, ${workers} ${workers === 1 ? 'worker' : 'workers'}): ${runs.trimEnd()}`;
}
