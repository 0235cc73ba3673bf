/** What a detached host tells whoever started it, once, on a descriptor that is named in its environment. */
export type HostReport =
  | { readonly ready: true; readonly pid: number }
  | { readonly ready: false; readonly reason: string; readonly exitStatus: number };

export const REPORT_ENVIRONMENT = 'BATOND_REPORT';
