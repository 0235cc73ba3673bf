/** Which unit of which systemd this process is, if any: the notify socket is systemd's own, or the host's. */
import { ownUnit } from './journal-stream.js';

export interface ManagedBy {
  readonly scope: 'system' | 'user';
  /** "shop.service". */
  readonly unit: string;
}

export function managedBy(env: NodeJS.ProcessEnv): ManagedBy | null {
  const socket = env.NOTIFY_SOCKET;
  const unit = ownUnit();
  if (socket === undefined || !socket.endsWith('/systemd/notify') || unit === '') return null;
  return { scope: socket === '/run/systemd/notify' ? 'system' : 'user', unit };
}
