// The types of start-lab.mjs, which is JavaScript so that lab.mjs runs by hand without a compiler.

import type { ChildProcessWithoutNullStreams } from 'node:child_process';

export type Availability = { ok: true } | { ok: false; why: string };

/** Says whether this machine can run a lab, and if not why. */
export function labAvailable(): Availability;

export interface LabOptions {
  /** Letters, digits and dashes; default: a name that nobody has. */
  name?: string;
  /** Lower folder of the overlay, such as a debootstrapped Debian; default: the machine itself. */
  root?: string;
  /** More folders to show inside, read-only, at their own paths. */
  binds?: string[];
  /** For the boot; default 30 s. */
  deadlineMs?: number;
}

export interface CommandOptions {
  env?: Record<string, string>;
  /** A path inside the lab. */
  cwd?: string;
  /** A user of the lab; default root. */
  user?: string;
}

export interface ExecOptions extends CommandOptions {
  input?: string;
  /** Default 60 s. */
  timeoutMs?: number;
  /** `false` returns a failed command instead of throwing. */
  check?: boolean;
}

export interface ExecResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Lab extends AsyncDisposable {
  readonly name: string;
  /** A folder that both sides write, at the same path. */
  readonly share: string;
  /** Where the lab's cgroup tree is on the machine. */
  readonly cgroup: string;
  /** The lab's systemd, as the machine sees it. */
  readonly pid: number;
  /** Runs a command to its end; throws with all its output when its status is not 0. */
  exec(command: readonly string[], how?: ExecOptions): Promise<ExecResult>;
  /** The same as an unprivileged user (default `visitor`) with a `systemctl --user` of their own. */
  execUser(command: readonly string[], how?: ExecOptions): Promise<ExecResult>;
  /** Starts a command and leaves it to the caller; it ends with the lab at the latest. */
  spawn(command: readonly string[], how?: CommandOptions): ChildProcessWithoutNullStreams;
  down(): Promise<void>;
}

export function startLab(options?: LabOptions): Promise<Lab>;

/** What a lab's record holds; see places.mjs. */
export interface LabRecord {
  name: string;
  dir: string;
  keeper: { pid: number; startTime: string };
  init: { pid: number; startTime: string } | null;
  cgroup: string;
  share: string;
  root: string;
  stays: boolean;
}

/** Starts a lab that stays when this process ends; `lab.mjs down` ends it. */
export function startStayingLab(options?: LabOptions): Promise<LabRecord>;
