// Who plays which part in a reload, found at the moment when it matters: by what processes were started with, and never
// by a list that somebody has to keep. All of one service have the same runtime directory in their environment.

import { readdirSync, readFileSync } from 'node:fs';

/** @typedef {import('./faults.ts').Role} Role */
/** @typedef {{ pid: number, parent: number, argv: string[], env: Map<string, string> }} Found */

/**
 * The process of this role as a supervisor sees it, the lowest slot of several workers; null where nobody plays it.
 * @param {Role} role
 * @param {{ self: Role, incumbent: number }} view which of the two it is itself, and the generation that serves
 * @returns {number | null}
 */
export function pidOf(role, { self, incumbent }) {
  if (role === 'self' || role === self) return process.pid;
  if (role === 'host') return process.ppid;
  if (role === 'S1' || role === 'S2') {
    const others = processes().filter((one) => isSupervisor(one) && one.pid !== process.pid);
    return others.find(({ parent }) => parent === process.ppid)?.pid ?? null;
  }
  if (role === 'client') return processes().find(({ argv }) => argv.includes('reload'))?.pid ?? null;
  const workers = processes()
    .flatMap(({ pid, env }) => ({ pid, ...JSON.parse(env.get('BATOND_WORKER') ?? '{}') }))
    .filter(({ generation }) => (role === 'candidate' ? generation > incumbent : generation === incumbent));
  return workers.sort((a, b) => a.slot - b.slot)[0]?.pid ?? null;
}

/** @param {Found} process */
function isSupervisor({ argv, env }) {
  return argv.includes('run') && env.has('NOTIFY_SOCKET') && !env.has('BATOND_WORKER');
}

/** Those of this service, zombies excluded: they have no environment. @returns {Found[]} */
function processes() {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const env = new Map(read(name, 'environ').map((pair) => /** @type {[string, string]} */ (split(pair))));
      if (env.get('RUNTIME_DIRECTORY') !== process.env.RUNTIME_DIRECTORY) return [];
      return { pid: Number(name), parent: Number(stat(name)[1]), argv: read(name, 'cmdline'), env };
    } catch {
      return [];
    }
  });
}

/** The fields of proc_pid_stat(5) from the state on. @param {string | number} pid */
export function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** @param {string} pid @param {string} file */
function read(pid, file) {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
}

/** @param {string} pair */
function split(pair) {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}
