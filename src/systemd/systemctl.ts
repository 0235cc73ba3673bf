/** The programs of systemd, run to their end, for install, uninstall and doctor alone: nothing at run time spawns. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatondError } from '../errors.js';
import type { Scope, UnitFile } from './unit-files.js';

const LAST_LINES = 15;

interface Result {
  readonly status: number | null;
  readonly output: string;
  /** There is no such program. */
  readonly missing: boolean;
}

/** In the language of the messages that are looked for, and without a pager or colours. */
function run(program: string, args: readonly string[], timeout?: number): Result {
  const env = { ...process.env, LC_ALL: 'C', SYSTEMD_PAGER: '', SYSTEMD_COLORS: '0', SYSTEMD_LOG_LEVEL: 'info' };
  const { status, stdout, stderr, error } = spawnSync(program, args, { env, encoding: 'utf8', timeout });
  const missing = (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  return { status, output: `${stdout ?? ''}${stderr ?? ''}`.trim() || (error?.message ?? ''), missing };
}

export const scopeFlags = (scope: Scope): string[] => (scope === 'user' ? ['--user'] : []);

export function systemctl(scope: Scope, args: readonly string[]): void {
  const { status, output } = run('systemctl', [...scopeFlags(scope), ...args]);
  if (status !== 0) throw new BatondError('SYSTEMCTL_FAILED', { command: args.join(' '), reason: output });
}

/** "active", "inactive", "failed", ...; "unknown" where nobody can be asked. */
export function activeState(scope: Scope, unit: string): string {
  const { status, output } = run('systemctl', [...scopeFlags(scope), 'show', '--property=ActiveState', unit]);
  return status === 0 ? output.replace('ActiveState=', '') : 'unknown';
}

/** Why a service did not start, as its journal ends; empty where the journal is not ours to read. */
export function lastWords(scope: Scope, unit: string): string {
  const where = scope === 'user' ? ['--user-unit', unit] : ['--unit', unit];
  const { status, output } = run('journalctl', [...where, '--lines', `${LAST_LINES}`, '--output', 'cat', '--quiet']);
  return status === 0 ? output : '';
}

/** Has journald's index of explanations made anew; null, or why it could not be. */
export function updateCatalog(): string | null {
  const { status, output } = run('journalctl', ['--update-catalog']);
  return status === 0 ? null : output;
}

/** Who asks only to show it does not wait for a systemd that hangs. */
const SHOW_TIMEOUT_MS = 10_000;

/** Properties of a unit by their names, times as "@" and seconds since the epoch; null where nobody can be asked. */
export function showUnit(scope: Scope, unit: string, properties: readonly string[]): Record<string, string> | null {
  const what = ['show', '--timestamp=unix', `--property=${properties.join(',')}`, '--', unit];
  return shown(run('systemctl', [...scopeFlags(scope), ...what], SHOW_TIMEOUT_MS));
}

/** Whether the clock is set by NTP, as systemd knows it; null where nobody can be asked. */
export function isClockSynchronized(): boolean | null {
  const facts = shown(run('timedatectl', ['show', '--property=NTPSynchronized'], SHOW_TIMEOUT_MS));
  return facts?.NTPSynchronized === undefined ? null : facts.NTPSynchronized === 'yes';
}

function shown({ status, output }: Result): Record<string, string> | null {
  if (status !== 0) return null;
  const lines = output.split('\n').filter((line) => line.includes('='));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** 0 where there is no systemd: then only what every version knows is written. */
export function systemdVersion(): number {
  return Number(/^systemd (\d+)/.exec(run('systemctl', ['--version']).output)?.[1] ?? 0);
}

/** Whether an account is known, also one that is not in /etc/passwd. */
export function accountExists(kind: 'passwd' | 'group', name: string): boolean {
  return run('getent', [kind, name]).status === 0;
}

/**
 * Throws UNIT_INVALID for what systemd would complain about. Copies are looked at, in a folder of their own, before
 * anything is put in place. Of what else it says, of units that they only refer to, nothing is our business. False
 * where systemd-analyze is not installed.
 */
export function verifyUnits(scope: Scope, files: readonly Pick<UnitFile, 'unit' | 'body'>[]): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'batond-verify-'));
  try {
    const paths = files.map(({ unit, body }) => {
      writeFileSync(join(folder, unit), body);
      return join(folder, unit);
    });
    const { output, missing } = run('systemd-analyze', [...scopeFlags(scope), 'verify', ...paths]);
    if (missing) return false;
    const ours = output.split('\n').filter((line) => files.some(({ unit }) => line.includes(unit)));
    if (ours.length > 0) {
      throw new BatondError('UNIT_INVALID', { reason: ours.join('\n').replaceAll(`${folder}/`, '') });
    }
    return true;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
