/**
 * What `node --import` loads into every process of the app: it decides whether this one is a worker, and does nothing
 * else. The app's own children, its worker threads and its cluster workers inherit `--import` but not the variable,
 * which is taken out before anything of the app runs, so in them this file is all that is ever loaded.
 *
 * It must come last of several `--import`s: Node evaluates them one after the other and begins with the entry right
 * after the last, which is what entry.ts builds on.
 */
import { WORKER_ENVIRONMENT } from '../channel/messages.js';

const start = process.env[WORKER_ENVIRONMENT];
if (start !== undefined) {
  delete process.env[WORKER_ENVIRONMENT];
  const { startWorker } = await import('./worker.js');
  await startWorker(start);
}
