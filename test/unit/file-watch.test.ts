/** A file is seen to change however it is replaced, and whatever becomes of its folders. */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { FileWatch } from '../../src/config/file-watch.js';
import { eventually } from '../support/service/wait.js';

const opened: { close(): void }[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'batond-watch-'));
  folders.push(folder);
  return folder;
}

/** What was read at each change. */
function watching(path: string) {
  const seen: (string | null)[] = [];
  const watch = new FileWatch(path, {
    changed: () => {
      try {
        seen.push(readFileSync(path, 'utf8'));
      } catch {
        seen.push(null);
      }
    },
    failed: (error) => {
      throw error;
    },
  });
  opened.push(watch);
  const until = (text: string | null) =>
    eventually(
      () => seen.at(-1),
      (last) => last === text,
      { what: () => `${text} is seen` },
    );
  return { seen, until };
}

describe('a file', () => {
  test('that is written, and one that is renamed over it as editors do', async () => {
    const path = join(newFolder(), 'file');
    writeFileSync(path, 'one');
    const { until } = watching(path);
    writeFileSync(path, 'two');
    await until('two');
    for (const text of ['three', 'four']) {
      writeFileSync(`${path}.next`, text);
      renameSync(`${path}.next`, path);
      await until(text);
    }
    rmSync(path);
    await until(null);
    writeFileSync(path, 'five');
    await until('five');
  });

  test('behind a symlink that is pointed elsewhere, as a ConfigMap of Kubernetes', async () => {
    const folder = newFolder();
    for (const text of ['one', 'two', 'three']) {
      mkdirSync(join(folder, `..${text}`));
      writeFileSync(join(folder, `..${text}`, 'file'), text);
    }
    const point = (text: string) => {
      symlinkSync(`..${text}`, join(folder, '..data.next'));
      renameSync(join(folder, '..data.next'), join(folder, '..data'));
    };
    point('one');
    symlinkSync(join('..data', 'file'), join(folder, 'file'));
    const { until } = watching(join(folder, 'file'));
    for (const text of ['two', 'three', 'one']) {
      point(text);
      await until(text);
    }
    writeFileSync(join(folder, '..one', 'file'), 'in place');
    await until('in place');
  });

  test('in a folder behind a symlink, as a release that is deployed', async () => {
    const folder = newFolder();
    for (const release of ['r1', 'r2']) {
      mkdirSync(join(folder, release));
      writeFileSync(join(folder, release, 'file'), release);
    }
    symlinkSync('r1', join(folder, 'current'));
    const { until } = watching(join(folder, 'current', 'file'));
    symlinkSync('r2', join(folder, 'next'));
    renameSync(join(folder, 'next'), join(folder, 'current'));
    await until('r2');
    writeFileSync(join(folder, 'r2', 'file'), 'edited');
    await until('edited');
  });

  test('whose folders vanish and come back, or are replaced', async () => {
    const folder = newFolder();
    const path = join(folder, 'a/b/file');
    const make = (text: string) => {
      mkdirSync(join(folder, 'a/b'), { recursive: true });
      writeFileSync(path, text);
    };
    make('one');
    const { until } = watching(path);
    rmSync(join(folder, 'a'), { recursive: true });
    await until(null);
    make('two');
    await until('two');
    renameSync(join(folder, 'a/b'), join(folder, 'a/old'));
    make('three');
    await until('three');
    writeFileSync(path, 'four');
    await until('four');
  });

  test('that was never there until now', async () => {
    const folder = newFolder();
    const { until } = watching(join(folder, 'x/y/file'));
    mkdirSync(join(folder, 'x/y'), { recursive: true });
    writeFileSync(join(folder, 'x/y/file'), 'there');
    await until('there');
  });

  test('is left alone when something else in its folder changes', async () => {
    const folder = newFolder();
    const path = join(folder, 'file');
    writeFileSync(path, 'one');
    const { seen, until } = watching(path);
    writeFileSync(join(folder, 'other'), 'x');
    writeFileSync(path, 'two');
    await until('two');
    expect(seen).toEqual(['two']);
  });
});
