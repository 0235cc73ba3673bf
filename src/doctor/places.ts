/** The folders and files of a service: who may write to them, and what one that died has left. Judges over facts. */
import { about, type Finding } from './finding.js';

export interface PlaceFacts {
  readonly path: string;
  readonly uid: number;
  /** The permission bits. */
  readonly mode: number;
}

export interface PlacesFacts {
  /** Of the service's processes; null while none runs. */
  readonly uid: number | null;
  /** Null for what is not there. */
  readonly runtime: PlaceFacts | null;
  readonly state: PlaceFacts | null;
  readonly socket: (PlaceFacts & { readonly isSocket: boolean; readonly isAnswered: boolean }) | null;
  /** What the mode of the socket has to be; null where the configuration in use cannot be read. */
  readonly socketMode: number | null;
  readonly live: { readonly path: string; readonly supervisor: number | null; readonly isAlive: boolean } | null;
}

export function judgePlaces(facts: PlacesFacts): Finding[] {
  return [
    judgeFolder('runtime directory', facts.runtime, facts),
    judgeFolder('state directory', facts.state, facts),
    judgeSocket(facts),
    judgeLeftovers(facts),
  ];
}

/** Whoever can write there can put a socket or a state of their own in place of the service's. */
export function judgeFolder(check: string, folder: PlaceFacts | null, { uid }: Pick<PlacesFacts, 'uid'>): Finding {
  const { ok, warn, fail } = about(check);
  if (folder === null) {
    if (uid === null) return ok('is made when the service starts');
    return warn('is not there, though the service runs', 'Look into the journal for what could not be written.');
  }
  const { path, mode } = folder;
  if ((mode & 0o002) !== 0) return fail(`everybody may write to ${path}`, `Run chmod o-w ${path}.`);
  if (uid !== null && folder.uid !== uid && folder.uid !== 0) {
    return fail(
      `${path} belongs to uid ${folder.uid}, and the service runs as uid ${uid}`,
      `Run chown ${uid} ${path}, or remove it while the service is stopped.`,
    );
  }
  if (uid !== null && uid !== 0 && folder.uid === 0) {
    return warn(`${path} belongs to root, and the service runs as uid ${uid}`, `Run chown ${uid} ${path}.`);
  }
  return ok(`${path}, mode ${octal(mode)}`);
}

export function judgeSocket({ socket, uid, socketMode }: PlacesFacts): Finding {
  const { ok, warn, fail } = about('control socket');
  if (socket === null) {
    if (uid === null) return ok('is made when the service starts');
    return fail(
      'is not there: neither status nor reload reach the service',
      'Restart the service, which makes it anew.',
    );
  }
  const { path, mode, isSocket } = socket;
  if (!isSocket) return fail(`${path} is no socket`, 'Remove it, and restart the service.');
  // Where the file cannot be given to the one group of the lists, everybody may connect and is asked who they are.
  const allowed = socketMode === null ? [0o600, 0o660, 0o666] : [socketMode, ...(socketMode === 0o660 ? [0o666] : [])];
  if (!allowed.includes(mode)) {
    const wanted = socketMode === null ? 'none that batond sets' : `not ${octal(socketMode)}`;
    return warn(`the mode of ${path} is ${octal(mode)}, ${wanted}`, 'Restart the service, which makes it anew.');
  }
  return ok(`${path}, mode ${octal(mode)}`);
}

export function judgeLeftovers({ socket, live }: PlacesFacts): Finding {
  const { ok, warn } = about('leftovers');
  const left = [
    ...(socket?.isSocket === true && !socket.isAnswered ? [socket.path] : []),
    ...(live !== null && !live.isAlive ? [live.path] : []),
  ];
  if (left.length === 0) return ok('there are none');
  return warn(
    `a supervisor that was killed has left ${left.join(' and ')}`,
    'Start the service, which takes over what lives and replaces the rest.',
  );
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0');
