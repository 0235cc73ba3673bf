/**
 * Tells when the entry has been evaluated, top-level await included.
 *
 * With `--import` Node runs every entry, CommonJS too, through its ES module loader, right after the last `--import`
 * has been evaluated. An `import()` of the same URL then joins the load that is under way: a module is never evaluated
 * twice, and `require.main` and `import.meta.main` stay what they are because Node came first. A turn of the loop later
 * is late enough for that.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Never rejects: an entry that throws ends the process by Node's own means. It may stay pending for ever. */
export async function entryEvaluated(): Promise<void> {
  const entry = findEntry();
  await new Promise((resolve) => setImmediate(resolve));
  if (entry === null) return;
  if (process.mainModule?.loaded) return;
  try {
    await import(pathToFileURL(entry).href);
  } catch {
    // The same error reaches Node's own load, which reports it and exits.
    await new Promise(() => {});
  }
}

/** The file that Node runs, by the same rules: extensions are searched and symlinks resolved. */
function findEntry(): string | null {
  const [, main] = process.argv;
  // `-e`, `-p` and the like: what follows them is no entry.
  if (main === undefined || (process as { _eval?: string })._eval !== undefined) return null;
  try {
    return createRequire(import.meta.url).resolve(resolve(main));
  } catch {
    return null;
  }
}
