/** What is joined into one file has another place than its source: it may only go by what both have in common. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

describe('the modules that are joined', () => {
  const inFolders = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => /\/.*\.ts$/.test(name));

  test('name a file beside them by its folder, which is the same from every file one folder deep', () => {
    const places = inFolders.flatMap((name) =>
      [...readFileSync(join(SRC, name), 'utf8').matchAll(/new URL\(\s*(['"`])(.*?)\1,\s*import\.meta\.url/g)].map(
        ([, , path]) => ({ name, path: path! }),
      ),
    );
    expect(places.length).toBeGreaterThan(2);
    expect(places.filter(({ path }) => !path.startsWith('../'))).toEqual([]);
  });

  test('are none of those that main.js has imported before them: they would be there twice', () => {
    const own = [...readFileSync(join(SRC, 'main.ts'), 'utf8').matchAll(/^import .* from '\.\/(.*)\.js';/gm)];
    const apart = /const APART = \[([^\]]*)\]/.exec(readFileSync(join(SRC, '../scripts/bundle.mjs'), 'utf8'))![1]!;
    expect(own.length).toBeGreaterThan(1);
    for (const [, name] of own) expect(apart).toContain(`'${name}'`);
  });

  test('are one folder deep', () => {
    expect(inFolders.filter((name) => name.split('/').length !== 2)).toEqual([]);
  });
});
