/**
 * Evidence for a person: has Node write a heap snapshot, a diagnostic report or a profile of this process into a file
 * that the supervisor names. All of it is done from within: no port is opened, and no signal is spent.
 *
 * What is written shows the memory and the environment of the app, secrets included, so the file is its owner's alone.
 */
import { statSync, unlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as later } from 'node:timers/promises';
import type { ToWorker } from '../channel/messages.js';
import type { Channel } from './channel.js';

type Question = Extract<ToWorker, { type: 'examine' }>;

const MODE = 0o600;
const MAX_REASON = 500;

/** Ends the profile of that question, while there is one. */
const profiles = new Map<number, () => void>();

/** The profile that was asked for by that number has lasted long enough. */
export function enough(id: number): void {
  profiles.get(id)?.();
}

/** Never rejects. */
export async function examine(question: Question, channel: Pick<Channel, 'send'>): Promise<void> {
  const { id } = question;
  try {
    const bytes = await WRITERS[question.what](question);
    channel.send({ type: 'examined', id, bytes, reason: null });
  } catch (error) {
    const reason = String((error as Error | null)?.message ?? error).slice(0, MAX_REASON);
    channel.send({ type: 'examined', id, bytes: null, reason });
  }
}

/** Each gives the bytes of its file, and throws why there is none. */
const WRITERS: Record<Question['what'], (question: Question) => Promise<number>> = {
  heap: async ({ path }) => {
    const { writeHeapSnapshot } = await import('node:v8');
    try {
      writeHeapSnapshot(path);
    } catch (error) {
      // A disk that is full leaves a part, which no tool reads.
      remove(path);
      throw error;
    }
    return statSync(path).size;
  },
  report: async ({ path, maxBytes }) => write(path, JSON.stringify(diagnosticReport(), null, 2), maxBytes),
  cpu: async ({ id, path, maxBytes, durationMs }) => {
    const ended = new Promise<void>((resolve) => profiles.set(id, resolve));
    try {
      // Some builds of Node are without it.
      const { Session } = await import('node:inspector/promises');
      const session = new Session();
      session.connect();
      try {
        await session.post('Profiler.enable');
        await session.post('Profiler.start');
        await Promise.race([later(durationMs, undefined, { ref: false }), ended]);
        const { profile } = await session.post('Profiler.stop');
        return write(path, JSON.stringify(profile), maxBytes);
      } finally {
        session.disconnect();
      }
    } finally {
      profiles.delete(id);
    }
  },
};

/** Without the names of peers: to look them up blocks the event loop for as long as a name server likes. */
function diagnosticReport(): object {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  if (before !== undefined) report.excludeNetwork = true;
  try {
    return report.getReport() as object;
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

function write(path: string, text: string, maxBytes: number): number {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw new Error(`it would have ${bytes} bytes, and ${maxBytes} are left for it`);
  try {
    writeFileSync(path, text, { mode: MODE, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') remove(path);
    throw error;
  }
  return bytes;
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made.
  }
}
