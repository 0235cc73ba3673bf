/** Takes in what systemd passed: listeners, and nothing else. */
import type { Listeners } from '../inventory/listeners.js';
import type { Log } from '../log.js';
import { native } from '../native.js';
import type { Activated } from '../systemd/activation.js';
import { isSameFile } from './kept.js';

/** Takes the descriptor. Several sockets of a .socket unit have the same name: the number of the descriptor tells them apart. */
export function adoptActivated({ fd, name }: Activated, listeners: Listeners, log: Log): void {
  if (listeners.all().some(({ descriptor }) => isSameFile(descriptor.fd, fd))) {
    native().close(fd);
    return;
  }
  try {
    const { listening, type, family } = native().socketInfo(fd);
    if (listening || (type === 'dgram' && family !== 'unix')) {
      let number = fd;
      while (listeners.get(`${name}-${number}`) !== undefined) number++;
      listeners.adopt({ name: `${name}-${number}`, address: null, origin: 'systemd', file: null }, fd);
      return;
    }
  } catch {
    // It is no socket at all.
  }
  log.warn({ event: 'not-a-listener', name }, `systemd passed ${name}, which does not listen: closed`);
  native().close(fd);
}
