/** promtool, and what it says. */
import { spawnSync } from 'node:child_process';

export interface Said {
  readonly status: number | null;
  /** Both streams. */
  readonly text: string;
}

export function promtool(args: readonly string[], { cwd, input }: { cwd?: string; input?: string } = {}): Said {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd, input, encoding: 'utf8', timeout: 60_000 });
  return { status, text: `${stdout}${stderr}` };
}
