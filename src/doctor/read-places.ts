/** The facts of a service's folders and files, for places.ts. What may not be looked at counts as not there. */
import { existsSync, lstatSync, readFileSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isServed } from '../cli/service-name.js';
import type { Status } from '../control/messages.js';
import { controlSockets, pathsOf } from '../control/paths.js';
import { Rights } from '../control/rights.js';
import { readLive } from '../inventory/live-file.js';
import { unitDirectories } from '../systemd/unit-files.js';
import type { PlaceFacts, PlacesFacts } from './places.js';
import type { UnitFacts } from './unit.js';

export async function readPlaces(name: string, status: Status | null, unit: UnitFacts | null): Promise<PlacesFacts> {
  const sockets = controlSockets(name, process.env);
  const socketPath = sockets.find(existsSync) ?? sockets[0]!;
  const runtime = dirname(socketPath);
  const uid = status === null ? null : (look(statSync, `/proc/${status.supervisor.pid}`)?.uid ?? null);
  const socket = look(lstatSync, socketPath);
  const liveFile = join(runtime, 'live.json');
  const { live } = readLive(liveFile);
  const supervisor = live?.supervisor ?? null;
  const alive = status !== null || (supervisor !== null && isRunning(supervisor));
  return {
    uid,
    runtime: place(runtime),
    state: place(stateDirectory(name, unit)),
    socket:
      socket === null
        ? null
        : { ...facts(socketPath, socket), isSocket: socket.isSocket(), isAnswered: await isServed(socketPath) },
    socketMode: live === null || uid === null ? null : new Rights(live.config.control, uid).access.mode,
    live: existsSync(liveFile) ? { path: liveFile, supervisor, isAlive: alive } : null,
  };
}

/** systemd names it in the environment of the service, which is not ours. */
function stateDirectory(name: string, unit: UnitFacts | null): string {
  if (unit === null) return pathsOf(name, process.env).stateDirectory;
  const candidates = unitDirectories(unit.scope, name).state;
  return candidates.find(existsSync) ?? candidates[0]!;
}

/** One that has ended and that nobody has waited for yet is a zombie, proc_pid_stat(5). */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function place(path: string): PlaceFacts | null {
  const found = look(statSync, path);
  return found === null ? null : facts(path, found);
}

const facts = (path: string, { uid, mode }: Stats): PlaceFacts => ({ path, uid, mode: mode & 0o777 });

function look(how: (path: string) => Stats, path: string): Stats | null {
  try {
    return how(path);
  } catch {
    return null;
  }
}
