// What a real systemd understands of what the supervisor tells it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Lab, labAvailable, startLab } from '../support/lab/start-lab.mjs';
import { DIST } from '../support/service/batond.js';

const available = labAvailable();

/** Stores a socket with a dead peer at its first start; tells at each start what it got from the store. */
const SERVICE = `
  import { native } from '${DIST}/native.js';
  import { takeActivation } from '${DIST}/systemd/activation.js';
  import { Notifier } from '${DIST}/systemd/notify.js';
  import { startWatchdog } from '${DIST}/systemd/watchdog.js';
  const notifier = Notifier.fromEnvironment(process.env);
  const inherited = takeActivation(process.env);
  for (const { fd } of inherited) native().socketInfo(fd);
  if (inherited.length === 0) {
    const [kept, dropped] = [native().socketpair('stream'), native().socketpair('stream')];
    notifier.fdStore('channel-g1s0', [kept[0]], { poll: false });
    notifier.fdStore('gone', [dropped[0]], { poll: false });
    notifier.fdStoreRemove('gone');
    for (const fd of [...kept, ...dropped]) native().close(fd);
  }
  startWatchdog(notifier, process.env, { successor: false });
  await notifier.barrier(10_000);
  notifier.ready('inherited: ' + inherited.map(({ name }) => name).join(' ') + '\\nMAINPID=1');
  setInterval(() => {}, 60_000);
`;

describe.skipIf(!available.ok)(`sd_notify${available.ok ? '' : ` (skipped: ${available.why})`}`, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab();
  });
  afterAll(() => lab?.down());

  const show = async (property: string) =>
    (await lab.exec(['systemctl', 'show', '--value', '--property', property, 'says'])).stdout.trim();

  test('keeps descriptors by name over a restart, feeds the watchdog and states a line', async () => {
    mkdirSync(join(lab.share, 'says'));
    const script = join(lab.share, 'says/service.mjs');
    writeFileSync(script, SERVICE);
    const properties = ['Type=notify', 'NotifyAccess=main', 'FileDescriptorStoreMax=8', 'WatchdogSec=1s'];
    const flags = [...properties, 'Restart=always', 'RestartSec=0'].map((property) => `--property=${property}`);
    await lab.exec(['systemd-run', '--unit=says', ...flags, process.execPath, script]);
    expect(await show('StatusText')).toBe('inherited: MAINPID=1');
    expect(await show('NFileDescriptorStore')).toBe('1');

    await lab.exec(['systemctl', 'restart', 'says']);
    expect(await show('StatusText')).toBe('inherited: channel-g1s0 MAINPID=1');

    // Hung, it is no longer fed for: systemd ends it and starts the next.
    const main = await show('MainPID');
    const fed = Number(await show('WatchdogTimestampMonotonic'));
    await expect.poll(async () => Number(await show('WatchdogTimestampMonotonic'))).toBeGreaterThan(fed);
    expect(await show('NRestarts')).toBe('0');
    await lab.exec(['kill', '-STOP', main]);
    await expect.poll(() => show('NRestarts'), { timeout: 20_000 }).toBe('1');
  });
});
