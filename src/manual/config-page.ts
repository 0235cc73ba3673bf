/** batond.toml(5): every key of the table of keys, by the table of the file that it stands in. */
import { type Applies, allowed, KEY_PATHS, type Key, keyOf } from '../config/keys.js';
import { Page } from './roff.js';

export interface ConfigPageFacts {
  readonly version: string;
  /** A whole file, as the README has it. */
  readonly example: string;
}

export function configPage({ version, example }: ConfigPageFacts): string {
  const page = new Page('batond.toml', 5, `batond ${version}`);
  page.heading('NAME').paragraph('batond.toml - the configuration of a service that batond runs');
  page
    .heading('DESCRIPTION')
    .paragraph(
      'A file in TOML, batond.toml in the working directory or what --config names. Every key may be left out where it has ' +
        'a default; a flag of the command line wins over the file. A key that is not known here is refused, with its line.',
    )
    .paragraph(
      'batond check validates the file, and shows each value and where it comes from. batond check --schema prints a JSON ' +
        'Schema of it for editors. A running service watches the file: what "applies live" is in force at once, the rest ' +
        'with the next reload. A file that is refused changes nothing, and is reported until it is mended.',
    );
  for (const [table, keys] of keysByTable()) {
    page.heading(table === '' ? 'KEYS AT THE TOP' : `KEYS OF [${table}]`);
    for (const [path, key] of keys) describeKey(page, path, key);
  }
  page.heading('EXAMPLE').verbatim(example);
  page.heading('SEE ALSO').paragraph('batond(1)');
  return page.toString();
}

/** "" is the top of the file, which comes first. */
function keysByTable(): Map<string, [string, Key][]> {
  const tables = new Map<string, [string, Key][]>([['', []]]);
  for (const path of KEY_PATHS) {
    const table = path.split('.').slice(0, -1).join('.');
    tables.set(table, [...(tables.get(table) ?? []), [path, keyOf(path)]]);
  }
  return tables;
}

function describeKey(
  page: Page,
  path: string,
  { type, default: otherwise, required, flag, applies, about }: Key,
): void {
  if (type.kind === 'tables') {
    page.entry(`[[${path}]]`, [about]).inward();
    for (const [name, key] of Object.entries(type.keys)) describeKey(page, name, key);
    page.outward();
    return;
  }
  const facts = [
    `Allowed: ${allowed(type)}.`,
    otherwise === null ? '' : `Default: ${defaultText(otherwise)}.`,
    required ? 'It must be there.' : '',
    flag === undefined ? '' : `On the command line: ${flag.option}.`,
    APPLIES[applies],
  ];
  page.entry(path, [about, facts.filter((fact) => fact !== '').join(' ')]);
}

const APPLIES: Readonly<Record<Applies, string>> = {
  live: 'It applies live.',
  reload: 'It applies with the next reload.',
  restart: 'It applies when the service is stopped and started.',
};

function defaultText(value: NonNullable<Key['default']>): string {
  if (typeof value !== 'object') return JSON.stringify(value);
  return Array.isArray(value) ? 'an empty list' : 'an empty table';
}
