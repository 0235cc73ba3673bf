/** Writes the manual pages and the schema of batond.toml, as what was compiled last knows them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manualFiles } from '../dist/manual/manual.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

for (const [path, text] of Object.entries(await manualFiles(readFileSync(join(ROOT, 'README.md'), 'utf8')))) {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true });
  writeFileSync(join(ROOT, path), text);
}
