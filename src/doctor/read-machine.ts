/** The facts of a machine, for machine.ts. What cannot be read is unknown, and nothing here throws. */
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { LISTENER_KEYS } from '../config/keys.js';
import { type Native, native } from '../native.js';
import { isClockSynchronized, systemdVersion } from '../systemd/systemctl.js';
import type { MachineFacts } from './machine.js';

const CGROUP = '/sys/fs/cgroup';

export function readMachine(): MachineFacts {
  const { addon, problem } = loadAddon();
  const controllers = readText(`${CGROUP}/cgroup.controllers`);
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return {
    kernel: release(),
    node: process.version,
    neededNode: engines.node,
    systemd: systemdVersion(),
    addonProblem: problem,
    hasPidfd: addon === null ? null : works(() => closing(addon, addon.pidfdOpen(process.pid))),
    hasSeals: addon === null ? null : works(() => seal(addon)),
    cgroupVersion: controllers !== null ? 2 : existsSync(`${CGROUP}/memory`) ? 1 : 0,
    controllers: controllers?.trim().split(/\s+/) ?? [],
    somaxconn: numberOf(readText('/proc/sys/net/core/somaxconn')),
    backlog: LISTENER_KEYS.backlog.default,
    isClockSynchronized: isClockSynchronized(),
  };
}

function loadAddon(): { addon: Native | null; problem: string | null } {
  try {
    return { addon: native(), problem: null };
  } catch (error) {
    return { addon: null, problem: (error as Error).message.split('\n')[0]! };
  }
}

function seal(addon: Native): void {
  const fd = addon.memfdCreate('batond-doctor');
  try {
    addon.memfdSeal(fd);
    if (!addon.memfdIsSealed(fd)) throw new Error('the seals do not hold');
  } finally {
    addon.close(fd);
  }
}

function closing(addon: Native, fd: number | null): void {
  if (fd === null) throw new Error('there is no such process');
  addon.close(fd);
}

function works(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

const numberOf = (text: string | null) => (text === null || !/^\d+\s*$/.test(text) ? null : Number(text));

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
