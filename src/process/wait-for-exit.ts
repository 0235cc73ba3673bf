/** Waits for the end of any process by pidfd, pidfd_open(2); resolves at once where it is gone. */
import { Descriptor } from '../inventory/descriptor.js';
import { native } from '../native.js';

export function waitForExit(pid: number): Promise<void> {
  const fd = native().pidfdOpen(pid);
  if (fd === null) return Promise.resolve();
  const pidfd = new Descriptor(fd);
  return new Promise((resolve) => {
    const watcher = native().watch(pidfd.fd, { readable: true, writable: false }, () => {
      watcher.close();
      pidfd.close();
      resolve();
    });
  });
}
