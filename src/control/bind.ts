/**
 * The control socket's file. Who may connect is its mode; what they may then do is decided by who they are, rights.ts.
 */
import { chmodSync, chownSync, rmSync } from 'node:fs';
import { type Fd, native } from '../native.js';
import type { SocketAccess } from './rights.js';
import { refuseSecondStart } from './second-start.js';

const BACKLOG = 64;

/** Binds and listens; a file that nobody answers on is a leftover and is replaced. Throws ALREADY_RUNNING. */
export async function bindControlSocket(name: string, path: string, access: SocketAccess): Promise<Fd> {
  await refuseSecondStart(name, path);
  rmSync(path, { force: true });
  const fd = native().bind({
    type: 'stream',
    address: { family: 'unix', path },
    reuseAddress: false,
    reusePort: false,
    ipv6Only: false,
  });
  openTo(path, access);
  // Nobody can connect before this, whatever the umask made of the file.
  native().listen(fd, BACKLOG);
  return fd;
}

/**
 * A file is given to a group only by root or by a member of it, chown(2). For any other service everybody may connect,
 * as with several groups, and is asked who they are all the same.
 */
export function openTo(path: string, { mode, gid }: SocketAccess): void {
  // First narrow, then the group, then wide: at no moment may the group before connect with the rights of the next.
  chmodSync(path, 0o600);
  try {
    if (gid !== null) chownSync(path, -1, gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    chmodSync(path, 0o666);
    return;
  }
  chmodSync(path, mode);
}
