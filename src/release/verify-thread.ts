/** The thread that verifies a release, so that a slow disk holds up neither the watchdog nor the control socket. */
import { parentPort, workerData } from 'node:worker_threads';
import { BatondError } from '../errors.js';
import { monotonicMs } from '../process/monotonic.js';
import { verifyRelease } from './verify.js';
import type { VerifyAnswer, VerifyQuestion } from './verify-beside.js';

/** More messages would say no more. */
const TELL_MS = 500;

const { root, publicKey, required } = workerData as VerifyQuestion;
const say = (answer: VerifyAnswer) => parentPort?.postMessage(answer);
let come = { done: 0, total: 0 };
let toldMs = monotonicMs();
function tell(): void {
  const now = monotonicMs();
  if (now - toldMs < TELL_MS) return;
  toldMs = now;
  say({ kind: 'progress', ...come });
}
try {
  const verified = verifyRelease(root, {
    publicKey,
    required,
    onProgress: (done, total) => {
      come = { done, total };
      tell();
    },
    onPiece: tell,
  });
  say({ kind: 'verified', verified });
} catch (error) {
  if (!(error instanceof BatondError)) throw error;
  say({ kind: 'refused', code: error.code, facts: error.facts });
}
