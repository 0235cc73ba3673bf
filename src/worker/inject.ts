/**
 * A connection from the supervisor, for the app's first HTTP server, as if it had been accepted: a probe reaches a
 * worker that accepts nothing yet. To an https server it is given past TLS, so a probe needs no certificate.
 * Without a server that can take it, the descriptor is closed, which the other end sees.
 */
import net from 'node:net';
import { type Fd, native } from '../native.js';
import type { Connections } from './connections.js';

/** Loaded only here: an app without such a server need not pay for the modules. */
const builtins = process as unknown as { getBuiltinModule(id: string): { Server: typeof net.Server } };

export function inject(fd: Fd, servers: Iterable<net.Server>, connections: Connections): void {
  const target = findTarget([...servers]);
  if (target === null) {
    native().close(fd);
    return;
  }
  const socket = new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  connections.addProbe(socket);
  target.server.emit(target.event, socket);
}

function findTarget(servers: net.Server[]): { server: net.Server; event: string } | null {
  const { Server: HttpServer } = builtins.getBuiltinModule('node:http');
  const plain = servers.find((server) => server instanceof HttpServer);
  if (plain !== undefined) return { server: plain, event: 'connection' };
  const { Server: HttpsServer } = builtins.getBuiltinModule('node:https');
  const secure = servers.find((server) => server instanceof HttpsServer);
  return secure === undefined ? null : { server: secure, event: 'secureConnection' };
}
