/** What a check comes to: how bad it is, what is the case, and what to do about it. */

export interface Finding {
  /** What was looked at, in one or two words. */
  readonly check: string;
  /** `warn`: it serves, but something would go less well than it could. `fail`: something does not work. */
  readonly level: 'ok' | 'warn' | 'fail';
  readonly what: string;
  /** One sentence; null where there is nothing to do. */
  readonly todo: string | null;
}

/** Whether a version such as "6.1.0-13-amd64" or "v20.19.0" is as new as that. */
export function isAtLeast(version: string, ...wanted: readonly number[]): boolean {
  const found = (/\d+(\.\d+)*/.exec(version)?.[0] ?? '').split('.').map(Number);
  const differs = wanted.findIndex((part, i) => part !== (found[i] ?? 0));
  return differs === -1 || (found[differs] ?? 0) > wanted[differs]!;
}

/** All findings of one check, by its name. */
export function about(check: string) {
  return {
    ok: (what: string): Finding => ({ check, level: 'ok', what, todo: null }),
    warn: (what: string, todo: string): Finding => ({ check, level: 'warn', what, todo }),
    fail: (what: string, todo: string): Finding => ({ check, level: 'fail', what, todo }),
  };
}
