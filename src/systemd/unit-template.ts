/**
 * Fills the templates of units/. Pure. `@{name}` is a value; a line whose value is null is left out, and one whose value
 * is a list is repeated. Between `#@if CONDITIONS` and `#@end` lines stand only where every condition holds: a word that
 * is set, or a number that the version of systemd has reached.
 */

export type UnitValue = string | null | readonly string[];

export interface TemplateFacts {
  readonly values: Readonly<Record<string, UnitValue>>;
  readonly words: ReadonlySet<string>;
  readonly systemdVersion: number;
}

export function fillTemplate(template: string, facts: TemplateFacts): string {
  const lines: string[] = [];
  let shown = true;
  for (const line of template.trimEnd().split('\n')) {
    const condition = /^#@if (.+)$/.exec(line);
    if (condition !== null) shown = condition[1]!.split(' ').every((word) => holds(word, facts));
    else if (line === '#@end') shown = true;
    else if (shown) lines.push(...fillLine(line, facts.values));
  }
  return `${lines.join('\n')}\n`;
}

function holds(word: string, { words, systemdVersion }: TemplateFacts): boolean {
  return /^\d+$/.test(word) ? systemdVersion >= Number(word) : words.has(word);
}

function fillLine(line: string, values: TemplateFacts['values']): string[] {
  let lines = [line];
  for (const [mark, name] of line.matchAll(/@\{(\w+)\}/g)) {
    const value = values[name!];
    if (value === undefined) throw new Error(`the template asks for ${name}, which nobody gives`);
    const texts = value === null ? [] : [value].flat();
    lines = lines.flatMap((one) => texts.map((text) => one.replace(mark, () => text)));
  }
  return lines;
}
