/**
 * What can move beside idle HTTP/1 connections: kinds that the app, or a library for it, registers. The mover sees no
 * more of them than this.
 */
import type net from 'node:net';
import type { Saved } from './offer-packet.js';

/** Idle between two requests: what moves without anybody's help. */
export const HTTP = 'http';

/** Has asked for nothing yet: browsers open connections that they may need. Moves like the idle, and stays what it is. */
export const HTTP_UNUSED = 'http-unused';

/** Has just been accepted, by whatever server: nothing of it was read, and no app has seen it. */
export const FRESH = 'fresh';

/** It moves without anybody's help, and is announced to the server as a new client is. */
export const isHttp = (kind: string): boolean => kind === HTTP || kind === HTTP_UNUSED;

export interface Migratable {
  readonly kind: string;
  /** What the receiver needs; from then on the connection is used no more. `null`: not at a safe point now. */
  save(): Saved | null;
}

export interface Kinds {
  /** `null` where nobody registered how this connection moves. */
  of(socket: net.Socket): Migratable | null;
  knows(kind: string): boolean;
  /** The connection is this process's from here on, also when it throws. */
  restore(kind: string, socket: net.Socket, server: net.Server, saved: Saved): void;
}
