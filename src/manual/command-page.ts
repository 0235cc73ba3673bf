/** batond(1): the commands as their help has them, and what is to be known around them. */
import type { ArgumentFacts, CommandFacts, OptionFacts } from '../cli/command-facts.js';
import { ERRORS, EXIT, EXIT_WORDS } from '../errors.js';
import { Page } from './roff.js';
import { ENVIRONMENT, FILES, SIGNALS } from './surroundings.js';

export interface CommandPageFacts {
  readonly version: string;
  readonly commands: readonly CommandFacts[];
  /** Of each code of the table of errors: the cause and the cure, as the README has them. */
  readonly cures: Readonly<Record<string, { readonly cause: string; readonly cure: string }>>;
}

export function commandPage({ version, commands, cures }: CommandPageFacts): string {
  const page = new Page('batond', 1, `batond ${version}`);
  const [root, ...below] = commands;
  page.heading('NAME').paragraph('batond - runs Node.js services under systemd and replaces them live');
  page.heading('SYNOPSIS').verbatim(below.map(({ usage }) => usage).join('\n'));
  page
    .heading('DESCRIPTION')
    .paragraph(root?.about ?? '')
    .paragraph('What is configured, by flags or in a file, is in batond.toml(5).');
  page.heading('COMMANDS');
  for (const command of below) describeCommand(page, command);
  page.heading('OPTIONS');
  for (const option of root?.options ?? []) describeOption(page, option);
  page.heading('EXIT STATUS');
  for (const [name, status] of Object.entries(EXIT)) {
    page.entry(`${status}`, [sentence(EXIT_WORDS[name as keyof typeof EXIT])]);
  }
  page.heading('ERRORS').paragraph('Each code, with its exit status, its cause and what to do about it.');
  for (const [code, { exit }] of Object.entries(ERRORS)) {
    const { cause = '', cure = '' } = cures[code] ?? {};
    page.entry(`${code} (${exit})`, [cause, ...(cure === '' ? [] : [cure])]);
  }
  rows(page, 'ENVIRONMENT', ENVIRONMENT);
  rows(page, 'FILES', FILES);
  rows(page, 'SIGNALS', SIGNALS);
  page.heading('SEE ALSO').paragraph('batond.toml(5), systemctl(1), systemd.service(5), sd_notify(3), journalctl(1)');
  return page.toString();
}

function describeCommand(page: Page, { usage, about, arguments: args, options, after }: CommandFacts): void {
  page.subheading(usage).paragraph(sentence(about));
  for (const argument of args) describeArgument(page, argument);
  for (const option of options) if (!option.names.includes('--help')) describeOption(page, option);
  if (after !== '') page.verbatim(after);
}

function describeArgument(page: Page, { text, about, takes }: ArgumentFacts): void {
  page.entry(text, [sentence(`${about}${takes.kind === 'words' ? `: ${takes.of.join(', ')}` : ''}`)]);
}

function describeOption(page: Page, { names, value, about, takes }: OptionFacts): void {
  const words = takes?.kind === 'words' ? [`One of ${takes.of.join(', ')}.`] : [];
  const term = `${names.join(', ')}${value === null ? '' : ` ${value}`}`;
  // "auto" stands beside numbers.
  page.entry(term, [sentence(about), ...(takes?.kind === 'words' && takes.of.length > 1 ? words : [])]);
}

function rows(page: Page, heading: string, entries: readonly (readonly [term: string, about: string])[]): void {
  page.heading(heading);
  for (const [term, about] of entries) page.entry(term, [about]);
}

/** A text of a help or of a table as a sentence of its own. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
