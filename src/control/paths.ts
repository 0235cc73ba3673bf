/**
 * Where a service keeps its sockets and its state. systemd names the directories (RuntimeDirectory=, StateDirectory=);
 * elsewhere they stand where systemd would put them for root, and in the user's own places for anybody else.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Paths {
  readonly runtimeDirectory: string;
  readonly stateDirectory: string;
  readonly controlSocket: string;
  readonly stateFile: string;
  /** What a start goes by whose configuration is refused. */
  readonly lastGoodFile: string;
  readonly historyFile: string;
  /** What the next supervisor reads after one that died. */
  readonly liveFile: string;
  /** The last events, a line each. */
  readonly eventsFile: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function pathsOf(name: string, env: Environment, uid: number = process.getuid?.() ?? 0): Paths {
  const runtimeDirectory = first(env.RUNTIME_DIRECTORY) ?? runtimeCandidates(name, env, uid)[0]!;
  const stateDirectory =
    first(env.STATE_DIRECTORY) ??
    (uid === 0
      ? `/var/lib/batond/${name}`
      : join(env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'batond', name));
  return {
    runtimeDirectory,
    stateDirectory,
    controlSocket: join(runtimeDirectory, 'control.sock'),
    stateFile: join(stateDirectory, 'state.json'),
    lastGoodFile: join(stateDirectory, 'last-good.json'),
    historyFile: join(stateDirectory, 'history.json'),
    liveFile: join(runtimeDirectory, 'live.json'),
    eventsFile: join(runtimeDirectory, 'events.jsonl'),
  };
}

/** Where the control socket of a service may be, the likeliest first: a user may ask a service of the system too. */
export function controlSockets(name: string, env: Environment, uid: number = process.getuid?.() ?? 0): string[] {
  const given = first(env.RUNTIME_DIRECTORY);
  const directories = given === undefined ? runtimeCandidates(name, env, uid) : [given];
  return directories.map((directory) => join(directory, 'control.sock'));
}

/** Where a user without XDG_RUNTIME_DIR has services; anybody can make a folder there, see runtime-directory.ts. */
export function temporaryRoot(uid: number): string {
  return `/tmp/batond-${uid}`;
}

/** The folders that hold one folder a service. */
export function runtimeRoots(env: Environment, uid: number = process.getuid?.() ?? 0): string[] {
  const own = env.XDG_RUNTIME_DIR === undefined ? temporaryRoot(uid) : join(env.XDG_RUNTIME_DIR, 'batond');
  return uid === 0 ? ['/run/batond', own] : [own, '/run/batond'];
}

function runtimeCandidates(name: string, env: Environment, uid: number): string[] {
  return runtimeRoots(env, uid).map((root) => join(root, name));
}

/** systemd gives several directories with colons between them; ours is the first. */
function first(list: string | undefined): string | undefined {
  return list === undefined || list === '' ? undefined : list.split(':')[0];
}
