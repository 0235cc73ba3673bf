/** Arms faults for a service: which processes fall, at which transition, by which signal; and tells what has fallen. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HOOK = new URL('./hook.mjs', import.meta.url).href;

/** The supervisor at the transition, the two of a takeover, workers of the two generations, `batond reload`, the host. */
export type Role = 'self' | 'S1' | 'S2' | 'incumbent' | 'candidate' | 'client' | 'host';

export interface Place {
  /** `boot` is the start of a successor, before it has said anything. */
  readonly machine: 'boot' | 'predecessor' | 'successor' | 'roll';
  readonly state: string;
  readonly event: string;
  /** After this effect of the transition instead of before all of them. */
  readonly after?: string | undefined;
}

export interface Strike {
  readonly role: Role;
  readonly signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT';
}

/** What happens at one transition, once. */
export interface Falling extends Place {
  readonly strikes: readonly Strike[];
  /** What a successor says on the takeover channel just before. */
  readonly say?: object;
}

/** The short form: one process falls. */
export interface Fault extends Place {
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  /** Who falls; by default the supervisor that is at the transition. */
  readonly pid?: number;
}

export interface Fallen extends Place, Strike {
  /** Null where nobody played that role at that moment. */
  readonly pid: number | null;
  /** The connections that it held. */
  readonly held: number;
}

/** The environment of a service whose supervisors can be made to fall. */
export function faultEnvironment(folder: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${HOOK}`, BATOND_FAULT_FILE: faultFile(folder) };
}

export function arm(folder: string, { machine, state, event, after, signal, pid }: Fault): void {
  const strikes = [{ role: 'self', signal, ...(pid === undefined ? {} : { pid }) }];
  write(folder, [{ machine, state, event, after, strikes }]);
}

/** Each of them happens once, in whatever order their transitions come. `incumbent` is the generation that serves. */
export function armAll(folder: string, faults: readonly Falling[], incumbent: number): void {
  rmSync(`${faultFile(folder)}.fallen`, { force: true });
  write(
    folder,
    faults.map((fault) => ({ ...fault, incumbent })),
  );
}

/** Whether all that was armed has happened. */
export function hasFallen(folder: string): boolean {
  return !existsSync(faultFile(folder));
}

/** What has fallen since the last `armAll`. */
export function fallen(folder: string): Fallen[] {
  const file = `${faultFile(folder)}.fallen`;
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Takes back what has not happened. */
export function disarm(folder: string): void {
  rmSync(faultFile(folder), { force: true });
}

function write(folder: string, faults: readonly object[]): void {
  const file = faultFile(folder);
  writeFileSync(`${file}.next`, JSON.stringify(faults));
  renameSync(`${file}.next`, file);
}

const faultFile = (folder: string) => join(folder, 'fault.json');
