// Waits until the lab's systemd says that it is up, and tells what it was doing when it does not get there.
// It must never wait longer than its deadline, and never accept a systemd that is still starting.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { commandInLab } from './command.mjs';
import { isAlive } from './places.mjs';

/**
 * @param {import('./places.mjs').LabRecord} record
 * @param {{ deadlineMs: number, signal: AbortSignal }} limits
 */
export async function waitForBoot(record, { deadlineMs, signal }) {
  const late = AbortSignal.timeout(deadlineMs);
  const over = AbortSignal.any([signal, late]);
  let state = 'no answer';
  try {
    // Nothing announces systemd's private socket; once it is there, systemctl itself waits for the end of the boot.
    while (!existsSync(`/proc/${record.init?.pid}/root/run/systemd/private`))
      await pause(10, undefined, { signal: over });
    for (;;) {
      state = await systemctl(record, ['is-system-running', '--wait'], over);
      if (state === 'running' || state === 'degraded') return;
      await pause(50, undefined, { signal: over });
    }
  } catch (cause) {
    if (late.aborted) throw new Error(`systemd is not up after ${deadlineMs} ms (${state})`, { cause });
    throw signal.aborted ? signal.reason : cause;
  }
}

/** @param {import('./places.mjs').LabRecord} record @returns {string} what a person needs to see when it failed */
export function bootReport(record) {
  const parts = [`--- ${join(record.dir, 'log')}`, readFileSync(join(record.dir, 'log'), 'utf8')];
  if (!isAlive(record.init)) return parts.join('\n');
  for (const command of ['systemctl list-jobs', 'systemctl --failed', 'journalctl -b -n 40']) {
    const [file, ...args] = commandInLab(record, [...command.split(' '), '--no-pager']);
    parts.push(`--- ${command}`);
    try {
      parts.push(execFileSync(file, args, { encoding: 'utf8', timeout: 3000, stdio: ['ignore', 'pipe', 'ignore'] }));
    } catch (error) {
      parts.push(`(no answer: ${/** @type {Error} */ (error).name})`);
    }
  }
  return parts.join('\n');
}

/**
 * @param {import('./places.mjs').LabRecord} record @param {string[]} command @param {AbortSignal} signal
 * @returns {Promise<string>} its first words, whatever its status
 */
function systemctl(record, command, signal) {
  const [file, ...args] = commandInLab(record, ['systemctl', ...command]);
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', () => resolve(output.trim()));
  });
}
