/**
 * What a service's configuration is once it has been read, checked and frozen: every path absolute, every duration in
 * milliseconds, every default filled in. Nobody else knows a default.
 */
import type { FreezeWindow } from '../admission/freeze.js';
import type { EvidenceKind, ReadyBy } from '../channel/messages.js';
import type { Rule } from '../healing/rules.js';
import type { LevelRules } from '../health/levels.js';
import type { SoakLimits } from '../health/soak.js';
import type { Account } from './account.js';

/** A service that is a Node program, or any other that speaks sd_notify and takes LISTEN_FDS. */
export type Program =
  | {
      readonly kind: 'node';
      /** Absolute, symlinks as the user wrote them: a release resolves them at each start. */
      readonly entry: string;
      readonly args: readonly string[];
      /** A path or a name to look up in PATH. */
      readonly runtime: string;
      readonly runtimeArgs: readonly string[];
    }
  | { readonly kind: 'command'; readonly command: readonly string[] };

/** `core`: a generation is nothing without it. `auxiliary`: what may be missing for a while, and never runs twice. */
export type Tier = 'core' | 'auxiliary';

/** A program of the same release that runs beside the main one. */
export interface ProcessConfig {
  /** As a service's name; never "main". */
  readonly name: string;
  readonly program: Program;
  readonly workers: number;
  /** On top of that of the service. */
  readonly env: Readonly<Record<string, string>>;
  readonly ready: ReadyBy;
  readonly tier: Tier;
}

export interface ListenerConfig {
  readonly name: string;
  readonly address:
    | { readonly kind: 'tcp'; readonly host: string | null; readonly port: number }
    | { readonly kind: 'unix'; readonly path: string };
  readonly backlog: number;
}

/** A time during which the next generation gets a share of the new connections before it serves all. */
export interface CanaryStep {
  /** Thousandths, 1 to 1000: of the connections, or of the values of what is matched. */
  readonly share: number;
  /** Only connections whose first request has it, with that value or (null) any. Null: whatever they ask for. */
  readonly match: { readonly by: 'header' | 'cookie'; readonly name: string; readonly value: string | null } | null;
  readonly forMs: number;
}

/** What a release must have before it is run: nothing, an unbroken seal, or one that is signed too. */
export type VerifyPolicy = 'off' | 'manifest' | 'signature';

/** How a worker proves that it is well, and how often it is asked. */
export interface ProbeConfig {
  readonly by:
    | { readonly kind: 'path'; readonly path: string; readonly minStatus: number; readonly maxStatus: number }
    | { readonly kind: 'check'; readonly check: string }
    /** It says WATCHDOG=1 by itself, at least every `intervalMs`. */
    | { readonly kind: 'notify' };
  /** For one answer. */
  readonly timeoutMs: number;
  /** From one question to the next. */
  readonly intervalMs: number;
  /** In a row, before it counts as failed, or as well again. */
  readonly failures: number;
  readonly successes: number;
}

export interface ProbesConfig {
  /** Before a worker accepts. */
  readonly startup: ProbeConfig | null;
  /** Whether it accepts. */
  readonly readiness: ProbeConfig | null;
  /** Whether it lives on. */
  readonly liveness: ProbeConfig | null;
}

export interface HealthConfig {
  readonly levels: LevelRules;
  /** For a worker's answer when its health is asked for. 1 s. */
  readonly checkTimeoutMs: number;
  /** UNHEALTHY for so long within `upgrade.regretMs`, and the generation is given up. 30 s. */
  readonly regretAfterMs: number;
}

/** What is kept of a candidate that has failed. */
export interface EvidenceConfig {
  /** Empty: nothing. */
  readonly onFailure: readonly EvidenceKind[];
  /** All of it together. 512 MiB. */
  readonly maxBytes: number;
  /** How long a profile lasts. 5 s. */
  readonly cpuMs: number;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** What may keep a reload from beginning. */
export interface AdmissionConfig {
  /** Whether there must be room for two generations, and the service must not be UNHEALTHY. */
  readonly state: boolean;
  /** From the commit of a generation until the next reload. 0. */
  readonly minIntervalMs: number;
  /** No reload begins in these, local time. */
  readonly freeze: readonly FreezeWindow[];
}

/** What is to happen while the service cannot keep up. */
export interface DegradeConfig {
  /** Checked, and as it is written: see src/circuit/when.ts. */
  readonly when: string;
  /** Of 100. */
  readonly weight: number;
  readonly run: readonly string[] | null;
  readonly runOver: readonly string[] | null;
}

export interface Config {
  /** [a-z0-9][a-z0-9_.-]*, at most 64 characters: names the unit, the directories and the journal's identifier. */
  readonly name: string;
  /** The file that was read; `null` where there is none. */
  readonly file: string | null;
  readonly program: Program;
  /** The working directory of the workers, absolute, symlinks as the user wrote them. */
  readonly directory: string;
  /** 1 to 256; "auto" is the number of cores that this process may use. */
  readonly workers: number;
  readonly ready: ReadyBy;
  readonly env: Readonly<Record<string, string>>;
  readonly listeners: readonly ListenerConfig[];
  /** Beside the main program, in their order; absent where there are none, and in what an older batond wrote. */
  readonly processes?: readonly ProcessConfig[];
  /** On top of `env` for a worker that is started again because a dependency refused. */
  readonly onDependencyFailure: Readonly<Record<string, string>>;
  /** Before those that are built in, in their order. */
  readonly healing: { readonly rules: readonly Rule[] };
  readonly upgrade: {
    /** From the start of the candidate's first worker until all are ready; also for a worker to save or restore. 30 s. */
    readonly readyTimeoutMs: number;
    /** From commit until an old worker is told to go. 30 s. */
    readonly drainTimeoutMs: number;
    /** From the start of the next supervisor until it has taken over. 10 s. */
    readonly takeoverTimeoutMs: number;
    /** An HTTP path each candidate must answer with 200 to 399 before it serves; `null` asks only whether it lives. */
    readonly probe: string | null;
    /** At most 16; none is a switch at once. Absent in what an older batond wrote. */
    readonly canary?: readonly CanaryStep[];
    /** How long a candidate serves on trial before the commit; none where it is 0. Absent in what an older batond wrote. */
    readonly soakMs?: number;
    /** The trust that a candidate must have earned at the end of its trial, 0 to 1. 0.995. */
    readonly minTrust?: number;
    /** For this long after commit a generation that keeps crashing is given up for the last good one. 5 min. */
    readonly regretMs: number;
    /** What one worker may give to the next generation. 256 MiB. */
    readonly stateMaxBytes: number;
  };
  /** Absent in what an older batond wrote. */
  readonly admission?: AdmissionConfig;
  /** How much worse a candidate on trial may be. Absent in what an older batond wrote. */
  readonly soak?: SoakLimits;
  /** Absent in what an older supervisor has put on record, which kept none. */
  readonly evidence?: EvidenceConfig;
  readonly release: {
    /** The symlink to the release, absolute, as written; null where none is watched. */
    readonly current: string | null;
    /** It must have been left alone for so long before it is looked at. 200 ms. */
    readonly debounceMs: number;
    /** How often it is looked at without an event. 30 s. */
    readonly recheckMs: number;
    readonly verify: VerifyPolicy;
    /** Absolute; never null where signatures are asked for. */
    readonly publicKey: string | null;
    /** Whether the symlink is pointed back to what serves when its release was refused. */
    readonly revert: boolean;
  };
  readonly hooks: {
    /** A program and its arguments each; null where there is none. */
    readonly preReload: readonly string[] | null;
    readonly postReload: readonly string[] | null;
    readonly onError: readonly string[] | null;
    /** Then the hook and its group are killed. 60 s. */
    readonly timeoutMs: number;
  };
  /** Absent in what an older batond wrote. */
  readonly degrade?: readonly DegradeConfig[];
  readonly stop: {
    /** From SIGTERM to a worker until SIGKILL to its group. 5 s. */
    readonly killTimeoutMs: number;
  };
  readonly restart: {
    /** The pause before a crashed worker is started again: doubled at each crash in a row, with jitter. 100 ms. */
    readonly delayMs: number;
    readonly delayMaxMs: number;
    /** So many crashes of one slot in a row, none of them after `stableMs` of life, and the generation is lost. 10. */
    readonly limit: number;
    /** A worker that lived so long ends the row of crashes. 10 s. */
    readonly stableMs: number;
    /** More crashes of all slots within `windowMs`, and the generation is lost where nothing of it serves. 30. */
    readonly budget: number;
    /** 10 min. */
    readonly windowMs: number;
  };
  /** Absent, as the two below, in what an older supervisor has put on record: see health.ts. */
  readonly probes?: ProbesConfig;
  readonly health?: HealthConfig;
  /** Null: nothing is served but on the control socket. */
  readonly admin?: {
    readonly listen: ListenerConfig['address'] | null;
    /** Absent in what an older batond wrote. */
    readonly agent?: ListenerConfig['address'] | null;
    /** The same: then there is one. */
    readonly dashboard?: boolean;
  };
  /** Who may speak to the service beside root and its own user; who may act may read. */
  readonly control: { readonly read: readonly Account[]; readonly act: readonly Account[] };
  readonly log: {
    readonly level: LogLevel;
    /** What workers print: see src/lines. Absent in what an older batond wrote. */
    readonly workers?: 'text' | 'json';
  };
}
