/** Arms one fault for a service: which process falls, at which transition, by which signal. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HOOK = new URL('./hook.mjs', import.meta.url).href;

export interface Fault {
  readonly machine: 'boot' | 'predecessor' | 'successor' | 'roll';
  readonly state: string;
  readonly event: string;
  /** After this effect of the transition instead of before all of them. */
  readonly after?: string;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  /** Who falls; by default the supervisor that is at the transition. */
  readonly pid?: number;
}

/** The environment of a service whose supervisors can be made to fall. */
export function faultEnvironment(folder: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${HOOK}`, BATOND_FAULT_FILE: faultFile(folder) };
}

export function arm(folder: string, fault: Fault): void {
  const file = faultFile(folder);
  writeFileSync(`${file}.next`, JSON.stringify(fault));
  renameSync(`${file}.next`, file);
}

/** Whether the armed fault has happened. */
export function hasFallen(folder: string): boolean {
  return !existsSync(faultFile(folder));
}

const faultFile = (folder: string) => join(folder, 'fault.json');
