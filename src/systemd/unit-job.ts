/**
 * Which job of a unit systemd is at: what tells a restart from a stop, since both begin with the same SIGTERM. Asked
 * once, at that signal; a systemd that does not answer in time has said nothing.
 */
import { execFile } from 'node:child_process';
import type { ManagedBy } from './managed-by.js';
import { scopeFlags } from './systemctl.js';

/** "restart", "stop", "reload", ...; null where there is none or nobody says. */
export function unitJob({ scope, unit }: ManagedBy, timeoutMs: number): Promise<string | null> {
  const args = [...scopeFlags(scope), 'list-jobs', '--full', '--plain', '--no-legend', '--no-pager', unit];
  const { NOTIFY_SOCKET: _, ...env } = process.env;
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' as const, env: { ...env, LC_ALL: 'C' } };
    execFile('systemctl', args, options, (error, stdout) => resolve(error === null ? jobOf(stdout, unit) : null));
  });
}

/** A line is "1234 shop.service restart running". */
export function jobOf(output: string, unit: string): string | null {
  for (const line of output.split('\n')) {
    const words = line.trim().split(/\s+/);
    if (words[1] === unit) return words[2] ?? null;
  }
  return null;
}
