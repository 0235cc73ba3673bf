/** What W3C Trace Context says of whoever asks: the header `traceparent`, as a variable of the same name in capitals. Pure. */

export interface TraceParent {
  /** 16 bytes and 8 bytes, in hexadecimal. */
  readonly traceId: string;
  readonly spanId: string;
  /** 1: it is recorded. */
  readonly flags: number;
}

/** A version that is newer may say more behind it. */
const FORMAT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NOTHING = /^0+$/;

/** Null where it is none: whoever reads it goes on as if nothing had been said. */
export function parseTraceParent(text: string | undefined | null): TraceParent | null {
  const [, version, traceId, spanId, flags, more] = FORMAT.exec(text?.trim() ?? '') ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (NOTHING.test(traceId!) || NOTHING.test(spanId!)) return null;
  return { traceId: traceId!, spanId: spanId!, flags: Number.parseInt(flags!, 16) };
}
