/**
 * The files of the package that tell of batond, made when it is built: manual pages and the schema of batond.toml. What
 * they say is read off the commands, the tables of keys and errors, and the README.
 */
import { allCommands } from '../cli/program.js';
import { configSchema } from '../config/schema.js';
import { VERSION } from '../version.js';
import { commandPage, sentence } from './command-page.js';
import { configPage } from './config-page.js';

/** The text of each file by its path in the package. */
export async function manualFiles(readme: string): Promise<Readonly<Record<string, string>>> {
  const commands = await allCommands();
  return {
    'man/batond.1': commandPage({ version: VERSION, commands, cures: curesOf(readme) }),
    'man/batond.toml.5': configPage({ version: VERSION, example: exampleOf(readme) }),
    'batond.schema.json': `${JSON.stringify(configSchema(), null, 2)}\n`,
  };
}

/** The rows of its table of errors, as sentences; what is code there keeps its letters. */
function curesOf(readme: string): Record<string, { cause: string; cure: string }> {
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (.+) \| (.+) \|$/gm)];
  const text = (cell = '') => {
    if (!/\w/.test(cell)) return '';
    return cell.startsWith('`') ? `${cell.replaceAll('`', '')}.` : sentence(cell.replaceAll('`', ''));
  };
  return Object.fromEntries(rows.map(([, code, cause, cure]) => [code, { cause: text(cause), cure: text(cure) }]));
}

/** Its first block of TOML. */
const exampleOf = (readme: string): string => /^```toml\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
