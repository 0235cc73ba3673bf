/**
 * Finds idle HTTP/1 connections, and ends them where that is asked for: never one that a request is arriving on.
 *
 * Which connections are idle only Node's parsers know, and `server.closeIdleConnections()` destroys them; here their
 * `destroy` is shadowed for that one call, so that each can be looked at first.
 */
import type { Server as HttpServer } from 'node:http';
import type net from 'node:net';
import { native } from '../native.js';
import type { Connections } from './connections.js';
import { descriptorOf, hasBeenUsed, isPlainHttp } from './internals.js';

/**
 * Those whose parser is between two requests and that owe no answer. What has arrived since is still in the kernel.
 * Every connection is shadowed, because Node counts one as idle too whose answer is still on its way to a slow client.
 */
export function findIdle(servers: Iterable<net.Server>, connections: Connections): net.Socket[] {
  const sockets = [...connections.sockets()];
  const idle: net.Socket[] = [];
  for (const socket of sockets) {
    socket.destroy = () => {
      if (!connections.owesAnswer(socket) && hasBeenUsed(socket)) idle.push(socket);
      return socket;
    };
  }
  try {
    for (const server of servers) (server as Partial<HttpServer>).closeIdleConnections?.();
  } finally {
    for (const socket of sockets) Reflect.deleteProperty(socket, 'destroy');
  }
  return idle;
}

/**
 * Those that have asked for nothing since they were opened, beside those that are idle: to Node's parsers they owe their
 * first request, before Node 26. One that came from another process after its last answer is idle, although nothing was
 * read of it here.
 */
export function findUnused(connections: Connections): net.Socket[] {
  return [...connections.all()].filter((socket) => !hasBeenUsed(socket) && isPlainHttp(socket));
}

/** Gives each a FIN. What has arrived in the kernel but has not been read makes a connection busy. */
export function endIdle(idle: Iterable<net.Socket>, onEnd: (socket: net.Socket) => void): void {
  for (const socket of idle) {
    if (isArriving(socket)) continue;
    onEnd(socket);
    socket.end();
  }
}

function isArriving(socket: net.Socket): boolean {
  const fd = descriptorOf(socket);
  return fd >= 0 && native().poll(fd, { readable: true, writable: false }, 0) !== null;
}
