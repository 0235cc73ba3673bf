// Waits for one command in a lab and gives its result, or throws with everything it said.
// It must never wait without a deadline, and never drop what the command wrote.

/**
 * @typedef {object} ExecResult
 * @property {number | null} status
 * @property {NodeJS.Signals | null} signal
 * @property {string} stdout
 * @property {string} stderr
 */
/**
 * @typedef {import('./command.mjs').CommandOptions & {
 *   input?: string, timeoutMs?: number, check?: boolean,
 * }} ExecOptions `check: false` returns a failed command instead of throwing
 */

/**
 * @param {readonly string[]} command
 * @param {import('node:child_process').ChildProcessWithoutNullStreams} child
 * @param {ExecOptions} options
 * @returns {Promise<ExecResult>}
 */
export function runToEnd(command, child, { input = '', timeoutMs = 60_000, check = true }) {
  return new Promise((resolve, reject) => {
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said.stderr += text;
    });
    // A command that does not read its input may end before all of it is written: no failure of ours.
    child.stdin.on('error', () => {}).end(input);

    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeoutMs);
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(deadline);
      if (!late && (!check || status === 0)) return resolve({ status, signal, ...said });
      const how = late ? `did not end within ${timeoutMs} ms` : `ended with ${signal ?? `status ${status}`}`;
      reject(
        Object.assign(new Error(`${command.join(' ')} ${how}\n${said.stdout}${said.stderr}`), {
          status,
          signal,
          ...said,
        }),
      );
    });
  });
}
