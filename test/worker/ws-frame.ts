/** A frame as a client sends it (RFC 6455, 5.2), to cut it anywhere. */
export interface FrameOptions {
  readonly opcode?: number;
  readonly fin?: boolean;
  readonly compressed?: boolean;
}

export const CONTINUATION = 0;
export const TEXT = 1;
export const PING = 9;

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

export function frame(content: string | Buffer, { opcode = TEXT, fin = true, compressed = false }: FrameOptions = {}) {
  const payload = Buffer.from(content);
  const first = (fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode;
  for (const [index, byte] of payload.entries()) payload[index] = byte ^ MASK[index % 4]!;
  return Buffer.concat([Buffer.from([first]), lengthOf(payload.length), MASK, payload]);
}

function lengthOf(length: number): Buffer {
  if (length <= 125) return Buffer.from([0x80 | length]);
  const header = Buffer.alloc(length > 0xffff ? 9 : 3);
  header[0] = 0x80 | (length > 0xffff ? 127 : 126);
  if (length > 0xffff) header.writeUIntBE(length, 3, 6);
  else header.writeUInt16BE(length, 1);
  return header;
}
