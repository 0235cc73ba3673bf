/**
 * Joins the compiled modules of each thing that starts often (the supervisor, the preload's worker, the command line) into
 * one file in their place: Node takes half a millisecond a module to find, read and link it, and their start is part of
 * every reload. What is imported lazily stays in files of its own, beside them.
 *
 * Modules that have to be the same for all of them, or that go by their own place in the package, are not joined.
 */
import { dirname, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { ROOT } from './setup.mjs';

const DIST = join(ROOT, 'dist');

/** Whether what an entry imports lazily has files of its own: of `batond reload` all is needed, each time. */
const ENTRIES = [
  { name: 'supervisor/run', parts: true },
  { name: 'worker/worker', parts: true },
  { name: 'cli/reload', parts: false },
  { name: 'cli/program', parts: true },
];

/** What main.js has of its own; a class that is told by instanceof; what goes by its own place; the tables, which tests reach into. */
const APART = [
  'early-signals',
  'errors',
  'main',
  'native',
  'start-guard',
  'version',
  'machine/table',
  'roll/roll',
  'takeover/predecessor',
  'takeover/successor',
];

const fileOf = (name) => join(DIST, `${name}.js`);

for (const { name, parts } of ENTRIES) {
  const input = fileOf(name);
  const apart = new Set([...APART, ...ENTRIES.map((entry) => entry.name)].filter((one) => one !== name).map(fileOf));
  const bundle = await rolldown({
    input,
    platform: 'node',
    external: (id, importer) => {
      const isFile = id.startsWith('.') || id.startsWith('/');
      return !isFile || apart.has(resolve(dirname(importer ?? input), id));
    },
    treeshake: false,
    logLevel: 'silent',
  });
  await bundle.write({
    dir: dirname(input),
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].part.js',
    codeSplitting: parts,
    // A part that is loaded after the package was replaced finds the names that it means, or none.
    minifyInternalExports: false,
  });
  await bundle.close();
}
