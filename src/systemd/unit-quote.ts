/**
 * Words for unit files that come out of systemd as they went in, systemd.service(5), "Command lines", and
 * systemd.syntax(7), "Quoting". Pure. What cannot stand in a unit file is refused, never changed.
 */
import { BatondError } from '../errors.js';

/** The whole value of a setting that knows no quotes, such as User=; "%" begins a specifier, systemd.unit(5). */
export function plainValue(text: string): string {
  refuseLineBreaks(text);
  if (text !== text.trim() || text === '') throw invalid(text, 'begins or ends with a space, or is empty');
  if (text.endsWith('\\')) throw invalid(text, 'ends with "\\", which would join the next line to it');
  return text.replaceAll('%', '%%');
}

/** One argument of a command line: "$" begins a variable there, also inside quotes. */
export function quoteArgument(text: string): string {
  return quote(text).replaceAll('$', '$$$$');
}

/** The program: its path is never searched for variables, so "$$" would stay two. */
export function quoteProgram(path: string): string {
  if (!path.startsWith('/')) throw invalid(path, 'is not an absolute path');
  if (path.includes('$')) throw invalid(path, 'holds "$", which systemd cannot keep in the path of a program');
  return quote(path);
}

export function commandLine([program, ...args]: readonly [string, ...string[]]): string {
  return [quoteProgram(program), ...args.map(quoteArgument)].join(' ');
}

function quote(text: string): string {
  refuseLineBreaks(text);
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    .replace(/[\x01-\x1f\x7f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return /^[\w@%+=:,./$-]+$/.test(text) ? escaped : `"${escaped}"`;
}

function refuseLineBreaks(text: string): void {
  if (/[\n\r\0]/.test(text)) throw invalid(text, 'holds a line break or a NUL, which a unit file cannot');
}

function invalid(text: string, problem: string): BatondError {
  return new BatondError('CONFIG_INVALID', { problem: `${JSON.stringify(text)} ${problem}` });
}
