/** Lets Node keep the compiled form of our own files (Node 22.8 and newer), where there is a directory for it. */
import * as module from 'node:module';

export function enableCompileCache(): void {
  const directory = process.env.CACHE_DIRECTORY?.split(':')[0];
  const enable = (module as { enableCompileCache?: (directory: string) => unknown }).enableCompileCache;
  if (directory !== undefined && enable !== undefined) enable(directory);
}
