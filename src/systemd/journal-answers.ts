/**
 * Questions to the journal, by journalctl: there is no other way that needs no library of systemd. None of them fails:
 * where there is no journal, or it is not ours to read, there is no answer. Nothing that serves waits for them.
 */
import { spawn } from 'node:child_process';
import type { CoreDump } from '../inventory/crash-files.js';

/** systemd-coredump's, sd-messages(3). */
const COREDUMP = 'fc2e22bc6ee647b6b90729ab34a250b1';

const ANSWER_MS = 5_000;
const MAX_ANSWER_BYTES = 256 * 1024;

/** What a process has printed last, the oldest first; null where nobody can tell. */
export async function lastLinesOf(pid: number, count: number): Promise<string[] | null> {
  const text = await journalctl(
    ['-o', 'cat', '-n', String(count), '-b', `_PID=${pid}`, '_TRANSPORT=stdout'],
    ANSWER_MS,
  );
  const lines = text?.split('\n').filter((line) => line !== '') ?? [];
  return lines.length === 0 ? null : lines;
}

/** The core dump of a process that has ended, once systemd-coredump has told of it; null where it does not in time. */
export async function coreDumpOf(pid: number, timeoutMs: number): Promise<CoreDump | null> {
  const query = [`MESSAGE_ID=${COREDUMP}`, `COREDUMP_PID=${pid}`];
  // Not by --lines: with none at first, journalctl 252 follows past the first one that comes.
  const follow = ['-o', 'json', '--output-fields=COREDUMP_FILENAME', '--since=-1min', '--no-tail', '--follow'];
  const line = await journalctl([...follow, ...query], timeoutMs, true);
  if (line === null) return null;
  try {
    const { COREDUMP_FILENAME: file } = JSON.parse(line.split('\n')[0]!) as Readonly<Record<string, unknown>>;
    return { pid, file: typeof file === 'string' ? file : null };
  } catch {
    return null;
  }
}

/** All that it prints, or with `oneLine` what it has printed when the first line is whole; null where that is nothing. */
function journalctl(args: readonly string[], timeoutMs: number, oneLine = false): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn('journalctl', ['--quiet', '--no-pager', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    const end = () => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      resolve(text === '' ? null : text);
    };
    const timer = setTimeout(end, timeoutMs);
    timer.unref();
    child.unref();
    child.on('error', end);
    child.on('close', end);
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (part: string) => {
      text += part;
      if (text.length > MAX_ANSWER_BYTES || (oneLine && text.includes('\n'))) end();
    });
  });
}
