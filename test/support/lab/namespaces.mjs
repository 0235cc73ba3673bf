// Starts the first process of a lab in new namespaces. The network is the machine's own, so that load comes from
// outside. It must never start a lab that can outlive its keeper: see the chain of death signals in keeper.mjs.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const initScript = join(import.meta.dirname, 'init.sh');

/**
 * @param {import('./places.mjs').LabRecord} record
 * @param {readonly string[]} binds folders of the machine to show in the lab, read-only, at their own paths
 */
export function startNamespaces(record, binds) {
  mkdirSync(record.cgroup);
  const log = openSync(join(record.dir, 'log'), 'a');
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL'],
      ...['unshare', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child'],
      // The cgroup namespace is rooted where its first process is. unshare itself stays out of it: systemd could
      // not hand controllers down from a cgroup that holds a process (cgroups(7), "no internal processes").
      ...['sh', '-c', 'echo 0 >"$0/cgroup.procs" && exec unshare --cgroup "$@"', record.cgroup],
      ...[initScript, record.name, record.dir, record.root, process.execPath, record.share, ...binds],
    ],
    { stdio: ['ignore', log, log, 'pipe'] },
  );
  closeSync(log);

  /** @type {Promise<string>} */
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status, signal) => resolve(signal ?? `status ${status}`));
  });
  /** @type {Promise<number>} the pid of the lab's systemd on the machine */
  const init = new Promise((resolve, reject) => {
    const lines = createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stdio[3]) });
    lines.once('line', (line) => resolve(Number(line)));
    lines.once('close', () => reject(new Error('the namespaces could not be made')));
    child.on('error', reject);
  });
  return { init, ended, kill };

  /** Kills systemd rather than unshare, which then reaps it: the pid stays ours until unshare has ended. */
  function kill() {
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (record.init === null) child.kill('SIGKILL');
    else process.kill(record.init.pid, 'SIGKILL');
  }
}
