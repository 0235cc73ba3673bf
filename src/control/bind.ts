/** The control socket's file: only the service's own user and root may connect. */
import { chmodSync, rmSync } from 'node:fs';
import { type Fd, native } from '../native.js';
import { refuseSecondStart } from './second-start.js';

const BACKLOG = 64;

/** Binds and listens; a file that nobody answers on is a leftover and is replaced. Throws ALREADY_RUNNING. */
export async function bindControlSocket(name: string, path: string): Promise<Fd> {
  await refuseSecondStart(name, path);
  rmSync(path, { force: true });
  const fd = native().bind({
    type: 'stream',
    address: { family: 'unix', path },
    reuseAddress: false,
    reusePort: false,
    ipv6Only: false,
  });
  chmodSync(path, 0o600);
  native().listen(fd, BACKLOG);
  return fd;
}
