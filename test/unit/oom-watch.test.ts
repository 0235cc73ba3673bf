/** Who was killed for memory: what the control group says, in both versions, and whose kill it was. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readMemoryGroup } from '../../src/process/memory-group.js';
import { OomWatch } from '../../src/supervisor/oom-watch.js';

describe('the memory of the control group', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'batond-memory-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function file(path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }

  test('is read in version 2', () => {
    file('proc/self/cgroup', '0::/system.slice/shop.service\n');
    const group = 'sys/fs/cgroup/system.slice/shop.service';
    file(`${group}/memory.events`, 'low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n');
    file(`${group}/memory.current`, '4096\n');
    file(`${group}/memory.max`, '8192\n');
    expect(readMemoryGroup(root)).toEqual({ oomKills: 2, currentBytes: 4_096, maxBytes: 8_192 });
    file(`${group}/memory.max`, 'max\n');
    expect(readMemoryGroup(root)?.maxBytes).toBe(null);
  });

  test('is read in version 1, also where both are mounted', () => {
    file('proc/self/cgroup', '5:cpu,cpuacct:/\n4:memory:/shop\n0::/elsewhere\n');
    const group = 'sys/fs/cgroup/memory/shop';
    file(`${group}/memory.oom_control`, 'oom_kill_disable 0\nunder_oom 0\noom_kill 7\n');
    file(`${group}/memory.usage_in_bytes`, '4096\n');
    file(`${group}/memory.limit_in_bytes`, '9223372036854771712\n');
    expect(readMemoryGroup(root)).toEqual({ oomKills: 7, currentBytes: 4_096, maxBytes: null });
  });

  test('is unknown where nobody counts', () => {
    expect(readMemoryGroup(root)).toBe(null);
    file('proc/self/cgroup', '0::/\n');
    expect(readMemoryGroup(root)).toBe(null);
    file('sys/fs/cgroup/memory.events', 'low 0\n');
    expect(readMemoryGroup(root)).toBe(null);
  });
});

describe('a kill', () => {
  let oomKills: number | null = 3;
  const watch = () => new OomWatch(() => (oomKills === null ? null : { oomKills, currentBytes: 1, maxBytes: 2 }));
  beforeEach(() => {
    oomKills = 3;
  });

  test('is the kernel’s where the count has grown, and only once', () => {
    const oom = watch();
    expect(oom.takeKill(0)).toBe(null);
    oomKills = 4;
    expect(oom.takeKill(1)).toMatchObject({ maxBytes: 2 });
    expect(oom.takeKill(2)).toBe(null);
  });

  test('of several at once is each the kernel’s, and long after it none', () => {
    const oom = watch();
    oomKills = 6;
    expect([oom.takeKill(0), oom.takeKill(1)].includes(null)).toBe(false);
    expect(oom.takeKill(60_000)).toBe(null);
    oomKills = 7;
    expect([oom.takeKill(60_001), oom.takeKill(60_002)].map((one) => one !== null)).toEqual([true, false]);
  });

  test('between two supervisors is not missed, and another group’s count is not gone by', () => {
    const next = watch();
    next.restore(2);
    expect(next.takeKill(0)).not.toBe(null);
    const elsewhere = watch();
    elsewhere.restore(9);
    expect(elsewhere.takeKill(0)).toBe(null);
    expect(elsewhere.record).toBe(3);
  });

  test('is not told from another where nobody counts', () => {
    oomKills = null;
    const oom = watch();
    oom.restore(2);
    expect(oom.takeKill(0)).toBe(null);
    expect(oom.record).toBe(null);
  });
});
