/** journalctl(1), run to its end for somebody who looks into the journal. */
import { spawn, spawnSync } from 'node:child_process';

/** What it prints; empty where it fails, which it says itself when it is asked for the rest. Null where there is none. */
export function readJournal(args: readonly string[]): string | null {
  const { stdout, error } = spawnSync('journalctl', args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return null;
  return stdout ?? '';
}

/**
 * Lets it write to our own terminal, with its pager where it has one, and resolves with its exit status; null where there
 * is none. Ctrl-C is the pager's to answer, and theirs to end by: we end when they have.
 */
export function showJournal(args: readonly string[]): Promise<number | null> {
  const ignore = () => {};
  process.on('SIGINT', ignore);
  return new Promise((resolve, reject) => {
    const child = spawn('journalctl', args, { stdio: 'inherit' });
    child.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve(null) : reject(error)));
    child.on('exit', (code) => {
      process.removeListener('SIGINT', ignore);
      // By Ctrl-C, as it is meant to be ended while it follows.
      resolve(code ?? 0);
    });
  });
}
