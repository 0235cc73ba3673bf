/**
 * What systemd is about to do with a unit: what tells a restart from a stop, since both begin with the same SIGTERM.
 * Asked once, at that signal; a systemd that does not answer in time has said nothing.
 */
import type { ManagedBy } from './managed-by.js';

/** The job that runs: "restart", "stop", "reload", ...; null where there is none or nobody says. */
export async function unitJob(managedBy: ManagedBy, timeoutMs: number): Promise<string | null> {
  const { unit } = managedBy;
  return jobOf(await ask(managedBy, ['list-jobs', '--full', '--plain', '--no-legend', unit], timeoutMs), unit);
}

/** How many descriptors the fd store of the unit has; 0 where nobody says. */
export async function storedFds(managedBy: ManagedBy, timeoutMs: number): Promise<number> {
  const answer = await ask(
    managedBy,
    ['show', '--value', '--property=NFileDescriptorStore', managedBy.unit],
    timeoutMs,
  );
  return Number(answer.trim()) || 0;
}

/** A line is "1234 shop.service restart running". */
export function jobOf(output: string, unit: string): string | null {
  for (const line of output.split('\n')) {
    const words = line.trim().split(/\s+/);
    if (words[1] === unit) return words[2] ?? null;
  }
  return null;
}

function ask({ scope }: ManagedBy, args: readonly string[], timeoutMs: number): Promise<string> {
  // Loaded when it is needed, at the end: the start of a supervisor is part of every reload.
  const { execFile } = process.getBuiltinModule('node:child_process');
  const { NOTIFY_SOCKET: _, ...env } = process.env;
  const manager = scope === 'user' ? ['--user'] : [];
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL' as const, env: { ...env, LC_ALL: 'C' } };
  return new Promise((resolve) => {
    execFile('systemctl', [...manager, '--no-pager', ...args], options, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    );
  });
}
