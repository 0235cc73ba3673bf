// The service under a real systemd, PID 1 of namespaces of its own: nothing of the machine's systemd is touched, and
// all of it is gone with the lab. The network is shared, so the load comes from outside.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLab } from '../../test/support/lab/start-lab.mjs';
import { main } from './batond.mjs';
import { makeReleases } from './releases.mjs';

/** @param {number} port */
export async function systemdStage(port) {
  const lab = await startLab();
  const releases = makeReleases(join(lab.share, 'srv'));
  const status = async () => {
    const { stdout } = await lab.exec([process.execPath, main, 'status', '--name', 'shop', '--json']);
    return JSON.parse(stdout);
  };
  const show = async (property) =>
    (await lab.exec(['systemctl', 'show', 'shop', '--property', property, '--value'])).stdout.trim();
  let log = '';
  let version = '';

  return {
    how: 'a real systemd, in namespaces of its own',
    reloadCommand: 'systemctl reload shop',
    folder: releases.folder,
    deploy: releases.deploy,
    log: () => log,

    async start() {
      version = (await lab.exec(['systemctl', '--version'])).stdout.split('\n')[0];
      writeFileSync(join(lab.share, 'shop.service'), unit(releases.current, port));
      await lab.exec(['cp', join(lab.share, 'shop.service'), '/etc/systemd/system/']);
      await lab.exec(['systemctl', 'daemon-reload']);
      await lab.exec(['systemctl', 'start', 'shop']);
    },

    /** @param {(step: string) => void} onStep */
    async reload(onStep) {
      onStep('systemctl reload shop');
      const { status: exit } = await lab.exec(['systemctl', 'reload', 'shop'], { check: false });
      const { lastReload } = await status();
      return { ok: exit === 0, message: lastReload.message, generation: lastReload.generation };
    },

    status,

    async facts() {
      const isMain = Number(await show('MainPID')) === (await status()).supervisor.pid;
      const restarts = Number(await show('NRestarts'));
      const main = isMain ? 'its MainPID is the newest supervisor' : 'its MainPID IS WRONG';
      return `${version} says: the unit is ${await show('ActiveState')}, ${main}, restarts ${restarts}.`;
    },

    async stop() {
      const journal = await lab.exec(['journalctl', '--unit=shop', '--no-pager', '--lines=40'], { check: false });
      log = journal.stdout;
      await lab.exec(['systemctl', 'stop', 'shop'], { check: false });
      await lab.down();
    },
  };
}

/** @param {string} directory @param {number} port */
function unit(directory, port) {
  const batond = `${process.execPath} ${main}`;
  return `[Service]
Type=notify
NotifyAccess=main
ExecStart=${batond} run server.js --name shop --workers 2 --directory ${directory}
ExecReload=${batond} reload --name shop
Environment=PORT=${port}
KillMode=process
Restart=always
FileDescriptorStoreMax=1024
WatchdogSec=10
RuntimeDirectory=batond/shop
RuntimeDirectoryPreserve=restart
StateDirectory=batond/shop
`;
}
