/** What is used of `ws`, as far as it is public; its own types fit these, and need not be installed. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

export interface AnyWebSocket {
  readonly readyState: number;
  readonly protocol: string;
  readonly isPaused: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the listeners of an event emitter
  on(event: any, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  emit(event: any, ...args: any[]): boolean;
  // biome-ignore lint/complexity/noBannedTypes: as an event emitter has it
  listeners(event: string): Function[];
  // biome-ignore lint/complexity/noBannedTypes: see above
  rawListeners(event: string): Function[];
  // biome-ignore lint/suspicious/noExplicitAny: ws has several forms of it
  send(...args: any[]): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

export interface AnyWebSocketServer<WebSocket extends AnyWebSocket = AnyWebSocket> {
  readonly clients: Set<WebSocket>;
  // biome-ignore lint/suspicious/noExplicitAny: only carried over
  readonly options: any;
  // biome-ignore lint/suspicious/noExplicitAny: the listeners of an event emitter
  prependListener(event: any, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  emit(event: any, ...args: any[]): boolean;
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    callback: (ws: WebSocket, request: IncomingMessage) => void,
  ): void;
}
