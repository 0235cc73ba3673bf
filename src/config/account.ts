/**
 * A user or a group of this machine, as it is written in the config: "user:alice", "group:ops", or by number. Names are
 * looked up when the config is read, once: what a name means later is for the next start or reload to see.
 */
import { readFileSync } from 'node:fs';
import { native } from '../native.js';

export interface Account {
  readonly kind: 'user' | 'group';
  /** As it was written. */
  readonly name: string;
  /** uid or gid. */
  readonly id: number;
}

/** As it is written; whether it is known is another question. */
export const ACCOUNT_SHAPE = /^(user|group):(\d{1,10}|[A-Za-z_][\w.@-]{0,255}\$?)$/;
/** The highest number means "none" to the kernel, chown(2). */
const MAX_ID = 0xffff_fffe;

/** The account, or a text that says what is wrong with it. */
export function parseAccount(text: string): Account | string {
  const [, kind, name] = ACCOUNT_SHAPE.exec(text) ?? [];
  if (name === undefined) return 'write "user:" or "group:" and a name or a number, such as "group:ops"';
  const isUser = kind === 'user';
  const id = /^\d+$/.test(name) ? Number(name) : isUser ? native().userByName(name) : native().groupByName(name);
  if (id === null) return `there is no ${kind} ${name} on this machine`;
  if (id > MAX_ID) return `the number of a ${kind} is at most ${MAX_ID}`;
  if (id === overflowId(isUser ? 'overflowuid' : 'overflowgid')) {
    return `the kernel gives ${id} to every ${kind} that it cannot name here, so it stands for nobody in particular`;
  }
  return { kind: isUser ? 'user' : 'group', name, id };
}

export function formatAccount({ kind, name }: Account): string {
  return `${kind}:${name}`;
}

/** Who comes from another user namespace appears under this number, user_namespaces(7). */
function overflowId(file: 'overflowuid' | 'overflowgid'): number {
  try {
    return Number(readFileSync(`/proc/sys/kernel/${file}`, 'utf8'));
  } catch {
    return 65_534;
  }
}
