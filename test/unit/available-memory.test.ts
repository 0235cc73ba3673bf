/** The least of what the machine and the control groups leave is what may be taken. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { availableMemoryBytes } from '../../src/process/available-memory.js';

const MIB = 2 ** 20;
let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'batond-memory-'));
  file('proc/meminfo', 'MemTotal: 9000000 kB\nMemAvailable:    1048576 kB\n');
});
afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function group(path: string, max: string, current: number, stat = ''): void {
  file(`sys/fs/cgroup${path}/memory.max`, `${max}\n`);
  file(`sys/fs/cgroup${path}/memory.current`, `${current}\n`);
  file(`sys/fs/cgroup${path}/memory.stat`, stat);
}

test('without control groups it is what the machine has', () => {
  expect(availableMemoryBytes(root)).toBe(1_024 * MIB);
});

test('the tightest of the groups above the process counts', () => {
  file('proc/self/cgroup', '0::/system.slice/shop.service\n');
  group('/system.slice', `${800 * MIB}`, 700 * MIB);
  group('/system.slice/shop.service', 'max', 300 * MIB);
  expect(availableMemoryBytes(root)).toBe(100 * MIB);
});

test('what the kernel can drop counts as free', () => {
  file('proc/self/cgroup', '0::/shop.service\n');
  group('/shop.service', `${500 * MIB}`, 500 * MIB, `anon 1\ninactive_file ${40 * MIB}\nactive_file ${2 * MIB}\n`);
  expect(availableMemoryBytes(root)).toBe(42 * MIB);
});

test('where nothing can be read nothing is known', () => {
  rmSync(join(root, 'proc'), { recursive: true });
  expect(availableMemoryBytes(root)).toBe(null);
});

test('of this machine it is something', () => {
  expect(availableMemoryBytes()).toBeGreaterThan(0);
});
