/**
 * The working directory as it was written, symlinks and all: the kernel only knows where they led. A shell says so in
 * PWD, and so do we to the next supervisor; it counts only while it still leads to where we are.
 */
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';

export function workingDirectory(
  env: Readonly<Record<string, string | undefined>>,
  real: string = process.cwd(),
): string {
  const written = env.PWD;
  if (written === undefined || !isAbsolute(written)) return real;
  try {
    const [a, b] = [statSync(written), statSync(real)];
    return a.dev === b.dev && a.ino === b.ino ? written : real;
  } catch {
    return real;
  }
}
