/**
 * Who is at the other end of a connection, as the kernel vouches for it, and what else can be said of that process for
 * a record. The name of a program and its cgroup are its own choice in part: good to know, never a reason to decide.
 */
import { readFileSync } from 'node:fs';
import { type Credentials, type Fd, native } from '../native.js';

export interface Peer extends Credentials {
  /** The supplementary ones. */
  readonly groups: readonly number[];
}

/** As it was when it connected. Throws what getsockopt(2) throws. */
export function peerOf(fd: Fd): Peer {
  return { ...native().peerCredentials(fd), groups: native().peerGroups(fd) };
}

/** The fields of a record about it; a process that has ended keeps uid, pid and the name of its user. */
export function peerFields({ uid, pid }: Credentials): Record<string, string | number> {
  const user = userName(uid);
  const comm = ofProcess(pid, 'comm');
  // With the unified hierarchy one line, cgroups(7): "0::/system.slice/cron.service".
  const cgroup = ofProcess(pid, 'cgroup')?.replace(/^[\s\S]*0::/, '');
  return {
    peerUid: uid,
    peerPid: pid,
    ...(user === null ? {} : { peerUser: user }),
    ...(comm === null ? {} : { peerComm: comm }),
    ...(cgroup === undefined ? {} : { peerCgroup: cgroup }),
  };
}

/** "nobody (uid 65534)", or "uid 4242" where nobody has a name for it. */
export function userText(uid: number): string {
  const name = userName(uid);
  return name === null ? `uid ${uid}` : `${name} (uid ${uid})`;
}

/** What others wrote, as it may stand in a message: one short line without control characters. */
export function printable(text: string, length = 100): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > length ? `${clean.slice(0, length)}...` : clean;
}

const MAX_NAMES = 256;
const names = new Map<number, string | null>();

/** Looked up once: the sources of nsswitch.conf(5) can be slow, and a peer must not make us wait again and again. */
function userName(uid: number): string | null {
  const known = names.get(uid);
  if (known !== undefined) return known;
  if (names.size >= MAX_NAMES) names.clear();
  let name: string | null = null;
  try {
    name = native().userName(uid);
  } catch {
    // A source that fails says nothing; the number stays.
  }
  names.set(uid, name);
  return name;
}

function ofProcess(pid: number, file: 'comm' | 'cgroup'): string | null {
  try {
    return printable(readFileSync(`/proc/${pid}/${file}`, 'utf8').trimEnd(), 200);
  } catch {
    return null;
  }
}
