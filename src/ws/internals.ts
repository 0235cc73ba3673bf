/**
 * Everything that is not the public API of `ws`, in one place. `fits` looks whether a version is as it is described
 * here; where it is not, its connections are drained like any that cannot move.
 *
 * What is built on, the same from ws 8.0 on: a WebSocket has `_socket`, `_receiver`, `_sender` and `_extensions`. The
 * receiver takes apart a header, then the mask, then the payload, and keeps what has come of it in `_buffers`; the sender
 * is busy while it compresses or reads a blob. `handleUpgrade`, which is public, makes a WebSocket of a socket and an
 * upgrade request: a WebSocket that comes is made by it too, of a request that says what was once agreed.
 */
import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { History } from './history.js';
import type { AnyWebSocket, AnyWebSocketServer } from './types.js';

export const DEFLATE = 'permessage-deflate';

/** WebSocket.OPEN and WebSocket.CLOSED, which are numbers of the standard. */
export const OPEN = 1;
const CLOSED = 3;

/** States of the receiver. Those beyond the last are busy with a frame that has come as a whole. */
const GET_INFO = 0;
const GET_PAYLOAD_LENGTH_64 = 2;
const GET_DATA = 4;

const DEFAULT_WINDOW_BITS = 15;

interface Receiver {
  readonly _state: number;
  readonly _buffers: readonly Buffer[];
  readonly _bufferedBytes: number;
  /** The opcode of a message of which not all fragments have begun to come; else 0. */
  readonly _fragmented: number;
  readonly _opcode: number;
  readonly _compressed: boolean;
  readonly _payloadLength: number;
  readonly _mask?: Buffer | undefined;
  readonly writableLength: number;
  removeAllListeners(): void;
}

interface Sender {
  readonly _queue: readonly unknown[];
  readonly _firstFragment: boolean;
  /** Since 8.17; before it was `_deflating`. */
  readonly _state?: number;
  readonly _deflating?: boolean;
}

/** What was agreed on compression: the parameters as they are written in the header. */
export type DeflateParams = Readonly<Record<string, true | number>>;

interface Deflate {
  readonly params: DeflateParams;
  readonly _inflate: unknown;
  decompress(data: Buffer, fin: boolean, callback: Inflated): void;
  cleanup(): void;
}

type Inflated = (error: Error | null, data?: Buffer) => void;

interface Inside {
  readonly _socket: Socket | null;
  readonly _receiver: Receiver;
  readonly _sender: Sender;
  readonly _extensions: Readonly<Record<string, Deflate | undefined>>;
  readonly _closeTimer: NodeJS.Timeout | null;
  _readyState: number;
}

const inside = (ws: AnyWebSocket): Inside => ws as unknown as Inside;

export function socketOf(ws: AnyWebSocket): Socket | null {
  return inside(ws)._socket;
}

/** Whether this version of ws has what is needed here. */
export function fits(ws: AnyWebSocket): boolean {
  const { _socket, _receiver: receiver, _sender: sender, _extensions: extensions, _readyState } = inside(ws);
  if (typeof _socket?.on !== 'function' || _readyState !== ws.readyState || typeof extensions !== 'object')
    return false;
  if (!Object.keys(extensions).every((name) => name === DEFLATE)) return false;
  const numbers = [receiver?._state, receiver?._bufferedBytes, receiver?._fragmented];
  if (!numbers.every((value) => typeof value === 'number') || !Array.isArray(receiver._buffers)) return false;
  const busy = sender?._state ?? sender?._deflating;
  return Array.isArray(sender?._queue) && typeof sender._firstFragment === 'boolean' && busy !== undefined;
}

export function isSending(ws: AnyWebSocket): boolean {
  const { _queue, _firstFragment, _state, _deflating } = inside(ws)._sender;
  return _queue.length > 0 || !_firstFragment || Number(_state ?? _deflating) !== 0;
}

/** Calls back when something has been written to the socket: a message that had to be compressed first, for one. */
export function whenSent(ws: AnyWebSocket, callback: () => void): void {
  const socket = inside(ws)._socket;
  if (socket === null || Object.hasOwn(socket, 'write')) return;
  socket.write = ((...args: Parameters<Socket['write']>) => {
    Reflect.deleteProperty(socket, 'write');
    setImmediate(callback);
    return socket.write(...args);
  }) as Socket['write'];
}

/**
 * What has been read and not become a message, as it was on the wire: the header of a frame that is half there is
 * written again. `null` in the middle of a message of several fragments, and while a frame is decompressed.
 */
export function unreadOf(ws: AnyWebSocket): Buffer | null {
  const { _state, _buffers, _fragmented, writableLength, ...frame } = fieldsOf(inside(ws)._receiver);
  if (_fragmented !== 0 || writableLength > 0 || _state > GET_DATA) return null;
  return Buffer.concat(_state === GET_INFO ? _buffers : [headerOf(_state, frame), ..._buffers]);
}

function fieldsOf(receiver: Receiver) {
  const { _state, _buffers, _fragmented, _opcode, _compressed, _payloadLength, _mask, writableLength } = receiver;
  return { _state, _buffers, _fragmented, _opcode, _compressed, _payloadLength, _mask, writableLength };
}

function headerOf(
  state: number,
  {
    _opcode,
    _compressed,
    _payloadLength,
    _mask,
  }: Pick<Receiver, '_opcode' | '_compressed' | '_payloadLength' | '_mask'>,
): Buffer {
  const isControl = _opcode > 7;
  const first = 0x80 | (_compressed && !isControl ? 0x40 : 0) | _opcode;
  // Before the long length is read, its marker stands in its place.
  if (state <= GET_PAYLOAD_LENGTH_64) return Buffer.from([first, 0x80 | _payloadLength]);
  let header: Buffer;
  if (_payloadLength > 0xffff) {
    header = Buffer.alloc(10);
    header[1] = 0x80 | 127;
    header.writeUIntBE(_payloadLength, 4, 6);
  } else if (_payloadLength > 125) {
    header = Buffer.alloc(4);
    header[1] = 0x80 | 126;
    header.writeUInt16BE(_payloadLength, 2);
  } else {
    header = Buffer.from([0, 0x80 | _payloadLength]);
  }
  header[0] = first;
  return state === GET_DATA && _mask !== undefined ? Buffer.concat([header, _mask]) : header;
}

/** What was agreed on compression; `null` where nothing is compressed. */
export function deflateParamsOf(ws: AnyWebSocket): DeflateParams | null {
  return inside(ws)._extensions[DEFLATE]?.params ?? null;
}

/**
 * Keeps what the client's next messages may refer back to. `undefined` where they refer to nothing; `null` where
 * something was decompressed before anybody looked. What the server sends needs no history: a compressor may begin anew
 * at each message, only its first bytes are a little longer for it.
 */
export function keepHistory(ws: AnyWebSocket, initial: Uint8Array | undefined): History | undefined | null {
  const deflate = inside(ws)._extensions[DEFLATE];
  if (deflate === undefined || deflate.params.client_no_context_takeover === true) return undefined;
  if (deflate._inflate !== null) return null;
  const { client_max_window_bits: bits } = deflate.params;
  const size = typeof bits === 'number' ? bits : DEFAULT_WINDOW_BITS;
  const history = new History(size, initial);
  const decompress = deflate.decompress.bind(deflate);
  deflate.decompress = (data, fin, callback) =>
    decompress(data, fin, (error, message) => {
      if (message !== undefined) history.add(message);
      callback(error, message);
    });
  return history;
}

/** To the app it is closed from here on, but nobody is told of a 'close'. */
export function detach(ws: AnyWebSocket): void {
  const { _receiver, _extensions, _closeTimer } = inside(ws);
  inside(ws)._readyState = CLOSED;
  if (_closeTimer !== null) clearTimeout(_closeTimer);
  _receiver.removeAllListeners();
  _extensions[DEFLATE]?.cleanup();
}

export interface Agreed {
  readonly protocol: string;
  readonly deflate: DeflateParams | null;
  /** What the client's next compressed message may refer back to. */
  readonly history: Uint8Array | undefined;
}

/** Any key will do: the answer to it was given long ago. */
const KEY = 'AAAAAAAAAAAAAAAAAAAAAA==';

/**
 * Makes a WebSocket of a socket whose handshake is over: the server's own `handleUpgrade` does, which sees a request that
 * asks for what was agreed, and a socket that swallows the answer. Verification, choice of a protocol and path are not
 * asked again. `null` where the server does not want it, being closed for instance.
 */
export function attach(wss: AnyWebSocketServer, socket: Socket, agreed: Agreed): AnyWebSocket | null {
  const request = new IncomingMessage(socket);
  request.method = 'GET';
  request.headers = {
    upgrade: 'websocket',
    'sec-websocket-key': KEY,
    'sec-websocket-version': '13',
    ...(agreed.protocol !== '' && { 'sec-websocket-protocol': agreed.protocol }),
    ...(agreed.deflate !== null && { 'sec-websocket-extensions': headerFor(agreed.deflate) }),
  };
  let made: AnyWebSocket | null = null;
  // Only the rest of a method call: the server itself is not changed.
  const acceptor = Object.create(wss, {
    options: {
      value: {
        ...wss.options,
        verifyClient: null,
        handleProtocols: () => agreed.protocol,
        perMessageDeflate: agreed.deflate === null ? false : deflateOptions(wss, agreed.deflate, agreed.history),
      },
    },
    shouldHandle: { value: () => true },
    emit: { value: (event: string, ...args: unknown[]) => event !== 'headers' && wss.emit(event, ...args) },
    _state: {
      get: () => (wss as unknown as { _state: unknown })._state,
      set: (state: unknown) => Reflect.set(wss, '_state', state),
    },
  }) as AnyWebSocketServer;
  socket.write = () => true;
  try {
    acceptor.handleUpgrade(request, socket, Buffer.alloc(0), (ws) => {
      made = ws;
    });
  } finally {
    Reflect.deleteProperty(socket, 'write');
  }
  return made !== null && isAsAgreed(made, agreed) ? made : null;
}

function isAsAgreed(ws: AnyWebSocket, { protocol, deflate }: Agreed): boolean {
  const params = Object.entries(deflateParamsOf(ws) ?? {}).sort();
  return ws.protocol === protocol && String(params) === String(Object.entries(deflate ?? {}).sort());
}

function headerFor(params: DeflateParams): string {
  const parts = Object.entries(params).map(([name, value]) => (value === true ? name : `${name}=${value}`));
  return [DEFLATE, ...parts].join('; ');
}

/** The server's own options of compression, with those replaced that are agreed upon. */
function deflateOptions(wss: AnyWebSocketServer, params: DeflateParams, history: Uint8Array | undefined) {
  const own = wss.options.perMessageDeflate;
  const options: Record<string, unknown> = typeof own === 'object' && own !== null ? { ...own } : {};
  const { client_max_window_bits: clientBits, server_max_window_bits: serverBits } = params;
  return {
    ...options,
    serverNoContextTakeover: params.server_no_context_takeover === true,
    clientNoContextTakeover: params.client_no_context_takeover === true,
    clientMaxWindowBits: typeof clientBits === 'number' ? clientBits : undefined,
    serverMaxWindowBits: typeof serverBits === 'number' ? serverBits : undefined,
    ...(history !== undefined &&
      history.length > 0 && {
        zlibInflateOptions: { ...(options.zlibInflateOptions as object | undefined), dictionary: history },
      }),
  };
}
