/** The file of a Unix socket: put back when it was removed, taken away at the end, and never anybody else's. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bindAddress } from '../../src/inventory/bind-address.js';
import { isInPlace, keepFile, removeFile, removeStale, restoreFile } from '../../src/inventory/socket-file.js';
import { native } from '../../src/native.js';

let folder: string;
let path: string;
let fds: number[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batond-socket-'));
  path = join(folder, 'app.sock');
  fds = [];
});
afterEach(() => {
  for (const fd of fds) native().close(fd);
  rmSync(folder, { recursive: true, force: true });
});

async function bound(): Promise<number> {
  const fd = await bindAddress({ kind: 'unix', path });
  fds.push(fd);
  return fd;
}

const connects = () =>
  new Promise<boolean>((resolve) => {
    const socket = net.connect(path);
    socket.on('connect', () => resolve(socket.destroy() !== undefined));
    socket.on('error', () => resolve(false));
  });

test('a removed file is put back as the same inode, and clients reach the same socket', async () => {
  native().listen(await bound(), 5);
  const { ino } = statSync(path);
  const file = keepFile(path, folder, 'listener-1')!;
  rmSync(path);
  expect(isInPlace(file)).toBe(false);
  restoreFile(file);
  expect(isInPlace(file)).toBe(true);
  expect(statSync(path).ino).toBe(ino);
  expect(await connects()).toBe(true);
});

test('what stands in its place now is neither overwritten nor removed', async () => {
  await bound();
  const file = keepFile(path, folder, 'listener-1')!;
  rmSync(path);
  writeFileSync(path, 'mine');
  expect(() => restoreFile(file)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
  removeFile(file);
  expect(statSync(path).size).toBe(4);
  expect(existsSync(file.keep!)).toBe(false);
});

test('a stale file is replaced, one that is in use is not', async () => {
  native().listen(await bound(), 5);
  expect(removeStale(path)).toBe(false);
  await expect(bound()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  native().close(fds.pop()!);
  native().listen(await bound(), 5);
  expect(await connects()).toBe(true);
});

test('a file that is no socket is left where it is', async () => {
  writeFileSync(path, 'mine');
  expect(removeStale(path)).toBe(false);
  await expect(bound()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(statSync(path).size).toBe(4);
});
