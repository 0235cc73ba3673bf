/**
 * Verifies a release in a thread of its own, which lives no longer than that takes. A thread and not the event loop: 20,000
 * files are seconds of reading, and a file system that hangs must not hang the supervisor with it.
 */
import { Worker } from 'node:worker_threads';
import { BatondError, type ErrorCode } from '../errors.js';
import type { Verified } from './verify.js';

export interface VerifyQuestion {
  readonly root: string;
  readonly publicKey: string | null;
  readonly required: readonly string[];
}

export type VerifyAnswer =
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | { readonly kind: 'verified'; readonly verified: Verified }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly facts: BatondError['facts'] };

/** Rejects as `verifyRelease` throws, and with the signal's reason when it is aborted. */
export async function verifyBeside(
  question: VerifyQuestion,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Verified> {
  signal.throwIfAborted();
  // Neither the flags of this process nor its preloads: the thread reads files and nothing else.
  const thread = new Worker(new URL('../release/verify-thread.js', import.meta.url), {
    workerData: question,
    execArgv: [],
  });
  let onAbort = () => {};
  try {
    return await new Promise<Verified>((resolve, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort);
      thread.on('message', (answer: VerifyAnswer) => {
        if (answer.kind === 'progress') onProgress(answer.done, answer.total);
        else if (answer.kind === 'verified') resolve(answer.verified);
        else reject(new BatondError(answer.code, answer.facts));
      });
      const ended = (reason: string) =>
        reject(
          new BatondError('RELEASE_NOT_SEALED', { release: question.root, reason: `it could not be read: ${reason}` }),
        );
      thread.on('error', (error) => ended(error.message));
      thread.on('exit', (status) => ended(`the thread ended with status ${status}`));
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
    void thread.terminate();
  }
}
