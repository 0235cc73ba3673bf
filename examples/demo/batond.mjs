// The command as this checkout has built it, run to its end.

import { execFile } from 'node:child_process';
import { join } from 'node:path';

export const main = join(import.meta.dirname, '../../dist/main.js');

/** @param {string[]} args @param {import('node:child_process').ExecFileOptions} options */
export function runToEnd(args, options) {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { encoding: 'utf8', timeout: 60_000, ...options }, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(new Error(stderr === '' ? error.message : stderr.trim()));
    });
  });
}
