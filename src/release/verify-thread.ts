/** The thread that verifies a release, so that a slow disk holds up neither the watchdog nor the control socket. */
import { parentPort, workerData } from 'node:worker_threads';
import { BatondError } from '../errors.js';
import { verifyRelease } from './verify.js';
import type { VerifyAnswer, VerifyQuestion } from './verify-beside.js';

/** A thousand messages say no more than ten. */
const TELL_EVERY = 500;

const { root, publicKey, required } = workerData as VerifyQuestion;
const say = (answer: VerifyAnswer) => parentPort?.postMessage(answer);
try {
  const verified = verifyRelease(root, {
    publicKey,
    required,
    onProgress: (done, total) => {
      if (done % TELL_EVERY === 0) say({ kind: 'progress', done, total });
    },
  });
  say({ kind: 'verified', verified });
} catch (error) {
  if (!(error instanceof BatondError)) throw error;
  say({ kind: 'refused', code: error.code, facts: error.facts });
}
