/** How a roll ended, in the words of its verdict. */
import type { ReloadOutcome } from '../control/messages.js';
import type { BatondError } from '../errors.js';
import type { Generation } from '../inventory/generation.js';

type End = Pick<ReloadOutcome, 'ok' | 'code' | 'message' | 'exitStatus'>;

export function wentWell({ number, release }: Generation): End {
  return { ok: true, code: null, message: `generation ${number} (${release.label}) serves`, exitStatus: 0 };
}

/** `kept` is what was kept of the candidate, for the end of the sentence. */
export function wentWrong(cause: BatondError, incumbent: Generation | null, kept: string | null): End {
  const message = [cause.message, whatServes(incumbent), ...(kept === null ? [] : [kept])].join('; ');
  return { ok: false, code: cause.code, message, exitStatus: cause.exitStatus };
}

export function whatServes(incumbent: Generation | null): string {
  return incumbent === null ? 'nothing serves' : `generation ${incumbent.number} keeps serving`;
}
