/**
 * What systemd passes at the start, sd_listen_fds(3): the sockets of a .socket unit and the contents of the fd store,
 * as descriptors from 3 up. Found by name; whatever is odd about the variables, they mean "none" and never a crash.
 */
import { readlinkSync } from 'node:fs';
import { type Fd, native } from '../native.js';

export interface Activated {
  readonly fd: Fd;
  /** FileDescriptorName= or FDNAME=; "unknown" where systemd gives none. Several may have the same. */
  readonly name: string;
}

const FIRST_FD = 3;
/** More than any RLIMIT_NOFILE that systemd sets; a bigger number is garbage. */
const MAX_FDS = 1_048_576;
/** The first descriptor that Node opens for itself, at the lowest free number. */
const POLLER = /^anon_inode:\[(eventpoll|io_uring)\]$/;
export const ACTIVATION_VARIABLES: readonly string[] = ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDNAMES'];

/** The variables as they are meant for process `pid`: nothing when they are meant for another, or garbage. */
export function parseActivation(env: NodeJS.ProcessEnv, pid: number): Activated[] {
  const { LISTEN_FDS: count, LISTEN_PID: target, LISTEN_FDNAMES: names } = env;
  if (count === undefined || !/^\d{1,7}$/.test(count) || Number(count) > MAX_FDS) return [];
  if (target !== String(pid)) return [];
  const list = names === undefined ? [] : names.split(':');
  return Array.from({ length: Number(count) }, (_, i) => ({ fd: FIRST_FD + i, name: list[i] || 'unknown' }));
}

/**
 * Takes the descriptors, and removes the variables, so that no worker and no successor believes them.
 *
 * Each moves to a new number that is close-on-exec, and 3 upwards are free again: systemd passes them inheritable, and
 * Node marks inherited ones only as far as they are dense.
 */
export function takeActivation(env: NodeJS.ProcessEnv): Activated[] {
  const passed = parseActivation(env, process.pid);
  for (const variable of ACTIVATION_VARIABLES) delete env[variable];
  // All move before any closes, or the second would land on the number of the first.
  const moved: { from: Fd; fd: Fd; name: string }[] = [];
  for (const { fd, name } of passed) {
    const file = fileOf(fd);
    // Nobody passes an epoll: from here on they are Node's own, and there are fewer than were counted.
    if (file !== null && POLLER.test(file)) break;
    if (file !== null) moved.push({ from: fd, fd: native().dup(fd), name });
  }
  for (const { from } of moved) native().close(from);
  return moved.map(({ fd, name }) => ({ fd, name }));
}

/** What /proc calls the file of a descriptor; null where it is not open. */
function fileOf(fd: Fd): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}
