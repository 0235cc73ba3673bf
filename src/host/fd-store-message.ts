/**
 * What a notification says about the fd store, sd_notify(3), read as systemd's service_notify_message() reads it: whole
 * lines, the first FDNAME= counts, and a removal goes before a store. Pure.
 */

export type FdStoreRequest =
  | { readonly kind: 'store'; readonly name: string; readonly poll: boolean; readonly nameRefused: boolean }
  /** Without a name that is valid nothing is removed. */
  | { readonly kind: 'remove'; readonly name: string | null };

/** What systemd calls a descriptor that came without a name. */
const DEFAULT_NAME = 'stored';
/** fdname_is_valid(): printable ASCII without ":", which separates LISTEN_FDNAMES; empty is allowed. */
const VALID_NAME = /^[\x20-\x39\x3b-\x7e]{0,255}$/;

/** Null where the message has nothing to do with the store. */
export function parseFdStoreRequest(text: string): FdStoreRequest | null {
  const lines = text.split('\n');
  const given = lines.find((line) => line.startsWith('FDNAME='))?.slice('FDNAME='.length);
  const name = given !== undefined && VALID_NAME.test(given) ? given : null;
  if (lines.includes('FDSTOREREMOVE=1')) return { kind: 'remove', name };
  if (!lines.includes('FDSTORE=1')) return null;
  const nameRefused = given !== undefined && name === null;
  return { kind: 'store', name: name ?? DEFAULT_NAME, poll: !lines.includes('FDPOLL=0'), nameRefused };
}
