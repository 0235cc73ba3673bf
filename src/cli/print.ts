/** What commands print. That the reader has gone, as after `| head -1`, ends no command: a reload least of all. */
export function print(text: string, stream: NodeJS.WriteStream = process.stdout): void {
  if (stream.listenerCount('error') === 0) stream.on('error', () => {});
  stream.write(text);
}

/** Breaks a text between words, so that no line is longer than `width` where its words allow it. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Of whoever reads: a terminal's own, and for a file or a pipe the usual one. */
export function columns(): number {
  return Math.max(40, process.stdout.columns ?? 80);
}
