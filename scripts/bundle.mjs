/**
 * Joins the compiled modules of each thing that starts often (the supervisor, the preload's worker, the command line) into
 * one file in their place: Node takes half a millisecond a module to find, read and link it, and their start is part of
 * every reload. What is imported lazily stays in files of its own, beside them.
 *
 * Modules that have to be the same for all of them, or that go by their own place in the package, are not joined.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
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
  const atOnce = staticImports(input, apart);
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
  const { output } = await bundle.write({
    dir: dirname(input),
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].part.js',
    // What the entry needs at once is one file, whoever of what is lazy needs it too.
    codeSplitting: parts && { groups: [{ name: 'core', test: (id) => atOnce.has(id) }] },
    // A part that is loaded after the package was replaced finds the names that it means, or none.
    minifyInternalExports: false,
  });
  await bundle.close();
  for (const { fileName, imports = [], dynamicImports = [] } of output) {
    const unknown = [...imports, ...dynamicImports].filter((id) => !isThere(resolve(dirname(input), id), id));
    // What is joined may be written anew, with helpers that come from a package of rolldown's.
    if (unknown.length > 0) throw new Error(`${fileName} imports ${unknown.join(', ')}, which nobody installs`);
  }
}

/** The files that are read with this one, itself among them. */
function staticImports(file, apart, found = new Set()) {
  if (found.has(file) || apart.has(file)) return found;
  found.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/^(?:import|export) [^'"=]*from '(\.[^']+)'/gm)) {
    staticImports(resolve(dirname(file), path), apart, found);
  }
  return found;
}

/** Whether an import is of ours, of Node, or of a package that is installed with this one, or may be. */
function isThere(path, id) {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const packages = Object.keys({ ...dependencies, ...peerDependencies });
  return existsSync(path) || isBuiltin(id) || packages.some((name) => id === name || id.startsWith(`${name}/`));
}
