// What a person sees: one line a release, within 80 columns, the same on a terminal and in a file. A terminal gets
// colours, and a line that tells what is going on at this moment.

const terminal = process.stdout.isTTY === true;
const colours = terminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
const paint = (code) => (text) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);

export function print(text = '') {
  clearLive();
  process.stdout.write(`${text}\n`);
}

/** The passing moment: only where somebody looks at it. */
export function live(text) {
  if (terminal) process.stdout.write(`\r\x1b[K${dim(`  ${text}`.slice(0, 79))}`);
}

export function clearLive() {
  if (terminal) process.stdout.write('\r\x1b[K');
}

/** Breaks a text at spaces; each line begins with `indent`. */
export function wrap(text, indent, width = 79) {
  const lines = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, indent + line].join('\n');
}

export const number = (value) => value.toLocaleString('en-US');
export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
