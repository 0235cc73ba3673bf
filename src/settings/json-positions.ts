/**
 * On which line each value of a JSON document stands. Runs on documents that JSON.parse has accepted, so it only has to
 * find its way, and what it does not find falls back to the nearest value around it.
 */
type Path = readonly (string | number)[];

/** The line, from 1; null for a document that is empty. */
export function jsonLine(text: string, path: Path): number | null {
  let found: number | null = null;
  let at = 0;
  const skip = () => {
    while (at < text.length && /\s/.test(text[at]!)) at++;
  };
  const string = (): string => {
    const start = at++;
    while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    at++;
    return JSON.parse(text.slice(start, at)) as string;
  };
  /** `depth` parts of the path lead here; null where it leads elsewhere. */
  const value = (depth: number | null): void => {
    skip();
    const opening = text[at];
    if (opening === '{') members(depth);
    else if (opening === '[') items(depth);
    else if (opening === '"') string();
    else while (at < text.length && !/[,\]}\s]/.test(text[at]!)) at++;
  };
  const below = (depth: number | null, key: string | number, start: number): number | null => {
    if (depth === null || depth >= path.length || String(path[depth]) !== String(key)) return null;
    found = start;
    return depth + 1;
  };
  const members = (depth: number | null): void => {
    at++;
    for (skip(); at < text.length && text[at] !== '}'; skip()) {
      if (text[at] === ',') {
        at++;
        continue;
      }
      const start = at;
      const inner = below(depth, string(), start);
      skip();
      at++;
      value(inner);
    }
    at++;
  };
  const items = (depth: number | null): void => {
    at++;
    let index = 0;
    for (skip(); at < text.length && text[at] !== ']'; skip()) {
      if (text[at] === ',') at++;
      else value(below(depth, index++, at));
    }
    at++;
  };
  skip();
  if (at === text.length) return null;
  found = at;
  value(0);
  return lineOf(text, found);
}

/** From 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
