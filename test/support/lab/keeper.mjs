// The process that owns one lab. It starts the lab, says so in one line of JSON on its standard output, and takes the
// lab down when it is told to: by SIGTERM, or by the end of its standard input, which is how it learns that its
// starter died, even by SIGKILL. It must never leave the lab behind; should it be killed itself, the chain
//
//   keeper <-(death signal)- unshare <-(--kill-child)- systemd, PID 1 of the lab <- everything in its pid namespace
//
// ends every process and mount at once, and the next start of any lab sweeps the empty cgroup and folder.
//
//   node keeper.mjs '{"name":..., "root":..., "binds":[...], "stays":false, "deadlineMs":30000}'

import { bootReport, waitForBoot } from './boot.mjs';
import { cgroupFor } from './cgroup.mjs';
import { startNamespaces } from './namespaces.mjs';
import { claimName, processId, writeRecord } from './places.mjs';
import { removeLab } from './sweep.mjs';

/** @typedef {{ name: string, root: string, binds: string[], stays: boolean, deadlineMs: number }} KeeperOptions */

/** @type {KeeperOptions} */
const options = JSON.parse(process.argv[2] ?? '{}');

const stop = new AbortController();
/** @param {string} why */
const tellToStop = (why) => stop.abort(new Error(`told to stop: ${why}`));
process.on('SIGTERM', () => tellToStop('SIGTERM'));
process.on('SIGINT', () => tellToStop('SIGINT'));
if (!options.stays) {
  const starterGone = () => tellToStop('the starter is gone');
  process.stdin.on('end', starterGone).on('error', starterGone).resume();
}
// Nobody may be left to read the answer; the end of standard input says what has to be done then.
process.stdout.on('error', () => {});

try {
  await keep();
} catch (error) {
  answer({ error: /** @type {Error} */ (error).message });
  process.exitCode = 1;
}
process.stdin.destroy();

async function keep() {
  const record = claimName({ ...options, cgroup: cgroupFor(options.name) });
  try {
    const lab = startNamespaces(record, options.binds);
    const ended = lab.ended.then((how) => stop.abort(new Error(`the lab ended (${how})`)));
    try {
      record.init = processId(await lab.init);
      await waitForBoot(record, { deadlineMs: options.deadlineMs, signal: stop.signal });
      writeRecord(record);
      answer({ record });
      await aborted(stop.signal);
    } catch (error) {
      throw new Error(`lab ${record.name}: ${/** @type {Error} */ (error).message}\n${bootReport(record)}`);
    } finally {
      lab.kill();
      await ended;
    }
  } finally {
    await removeLab(record);
  }
}

/** @param {AbortSignal} signal @returns {Promise<void>} */
function aborted(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** @param {{ record: import('./places.mjs').LabRecord } | { error: string }} facts */
function answer(facts) {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
