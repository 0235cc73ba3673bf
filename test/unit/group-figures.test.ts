/** What the kernel counts of a control group, of both versions. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { groupFigures } from '../../src/process/group-figures.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'batond-group-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function files(texts: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

test('of version 2', () => {
  const group = 'sys/fs/cgroup/system.slice/shop.service';
  files({
    'proc/self/cgroup': '0::/system.slice/shop.service\n',
    [`${group}/memory.current`]: '1048576\n',
    [`${group}/memory.max`]: '2097152\n',
    [`${group}/memory.high`]: 'max\n',
    [`${group}/memory.events`]: 'low 0\nhigh 1\nmax 22\noom 3\noom_kill 2\noom_group_kill 0\n',
    [`${group}/memory.pressure`]:
      'some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n',
    [`${group}/cpu.stat`]:
      'usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods 40\nnr_throttled 10\nthrottled_usec 500000\n',
    [`${group}/pids.current`]: '31\n',
    [`${group}/pids.max`]: '100\n',
  });
  expect(groupFigures(root)).toEqual({
    memory: {
      currentBytes: 1_048_576,
      maxBytes: 2_097_152,
      highBytes: null,
      events: { low: 0, high: 1, max: 22, oom: 3, oom_kill: 2 },
      someSeconds: 2.5,
      fullSeconds: 0.001,
    },
    cpu: { userSeconds: 2.5, systemSeconds: 1, periods: 40, throttledPeriods: 10, throttledSeconds: 0.5 },
    tasks: { current: 31, max: 100 },
  });
});

test('of version 1, as far as it has the same', () => {
  files({
    'proc/self/cgroup': '4:memory:/shop\n3:cpu,cpuacct:/shop\n2:pids:/shop\n0::/\n',
    'sys/fs/cgroup/memory/shop/memory.usage_in_bytes': '1048576\n',
    'sys/fs/cgroup/memory/shop/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/shop/memory.failcnt': '5\n',
    'sys/fs/cgroup/memory/shop/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
    'sys/fs/cgroup/cpu/shop/cpu.stat': 'nr_periods 40\nnr_throttled 10\nthrottled_time 500000000\n',
    'sys/fs/cgroup/cpu/shop/cpuacct.stat': 'user 250\nsystem 100\n',
    'sys/fs/cgroup/pids/shop/pids.current': '31\n',
    'sys/fs/cgroup/pids/shop/pids.max': 'max\n',
  });
  expect(groupFigures(root)).toEqual({
    memory: {
      currentBytes: 1_048_576,
      maxBytes: null,
      highBytes: null,
      events: { max: 5, oom_kill: 2 },
      someSeconds: null,
      fullSeconds: null,
    },
    cpu: { userSeconds: 2.5, systemSeconds: 1, periods: 40, throttledPeriods: 10, throttledSeconds: 0.5 },
    tasks: { current: 31, max: null },
  });
});

test('where nothing is known nothing is told', () => {
  expect(groupFigures(root)).toEqual({
    memory: { currentBytes: null, maxBytes: null, highBytes: null, events: {}, someSeconds: null, fullSeconds: null },
    cpu: { userSeconds: null, systemSeconds: null, periods: null, throttledPeriods: null, throttledSeconds: null },
    tasks: { current: null, max: null },
  });
});
