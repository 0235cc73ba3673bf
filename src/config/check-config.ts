/** Says whether a value that was read from a file is a `Config`: what an older or a newer batond wrote may not be one. */

import type { FreezeWindow } from '../admission/freeze.js';
import { EVIDENCE_KINDS } from '../channel/messages.js';
import { parseWhen } from '../circuit/when.js';
import { ACTIONS, CAUSES, type Match, type Rule } from '../healing/rules.js';
import type { LevelRules } from '../health/levels.js';
import type { SoakLimits } from '../health/soak.js';
import {
  isAbsentOr,
  isCount,
  isFlag,
  isListOf,
  isMapOf,
  isNullOr,
  isNumber,
  isOneOf,
  isShape,
  isText,
} from '../shape.js';
import type { Account } from './account.js';
import type {
  AdmissionConfig,
  CanaryStep,
  Config,
  DegradeConfig,
  EvidenceConfig,
  HealthConfig,
  ListenerConfig,
  ProbeConfig,
  ProbesConfig,
  ProcessConfig,
  Program,
} from './config.js';

type ProgramOf<Kind> = Extract<Program, { kind: Kind }>;
const isNode = isShape<ProgramOf<'node'>>({
  kind: isOneOf('node'),
  entry: isText,
  args: isListOf(isText),
  runtime: isText,
  runtimeArgs: isListOf(isText),
});
const isCommand = isShape<ProgramOf<'command'>>({ kind: isOneOf('command'), command: isListOf(isText) });

const isProcess = isShape<ProcessConfig>({
  name: isText,
  program: (value) => isNode(value) || isCommand(value),
  workers: isCount,
  env: isMapOf(isText),
  ready: isOneOf('listen', 'notify', 'load'),
  tier: isOneOf('core', 'auxiliary'),
});

type AddressOf<Kind> = Extract<ListenerConfig['address'], { kind: Kind }>;
const isTcp = isShape<AddressOf<'tcp'>>({ kind: isOneOf('tcp'), host: isNullOr(isText), port: isCount });
const isUnix = isShape<AddressOf<'unix'>>({ kind: isOneOf('unix'), path: isText });

const isAddress = (value: unknown) => isTcp(value) || isUnix(value);

const isAccount = isShape<Account>({ kind: isOneOf('user', 'group'), name: isText, id: isCount });

type MatchOf<Kind> = Extract<Match, { kind: Kind }>;
const isStatus = isShape<MatchOf<'status'>>({ kind: isOneOf('status'), status: isNullOr(isCount) });
const isSignal = isShape<MatchOf<'signal'>>({ kind: isOneOf('signal'), signal: isNullOr(isText) });
const isCause = isShape<MatchOf<'cause'>>({ kind: isOneOf('cause'), cause: isOneOf(...CAUSES) });
const isUnknown = isShape<MatchOf<'unknown'>>({ kind: isOneOf('unknown') });
const isRule = isShape<Rule>({
  name: isText,
  word: isNullOr(isText),
  match: (value) => isStatus(value) || isSignal(value) || isCause(value) || isUnknown(value),
  servingOnly: isFlag,
  action: isOneOf(...ACTIONS),
  delayMs: isNumber,
});

type ProofOf<Kind> = Extract<ProbeConfig['by'], { kind: Kind }>;
const isPathProof = isShape<ProofOf<'path'>>({
  kind: isOneOf('path'),
  path: isText,
  minStatus: isCount,
  maxStatus: isCount,
});
const isCheckProof = isShape<ProofOf<'check'>>({ kind: isOneOf('check'), check: isText });
const isNotifyProof = isShape<ProofOf<'notify'>>({ kind: isOneOf('notify') });
const isProbe = isNullOr(
  isShape<ProbeConfig>({
    by: (value) => isPathProof(value) || isCheckProof(value) || isNotifyProof(value),
    timeoutMs: isNumber,
    intervalMs: isNumber,
    failures: isCount,
    successes: isCount,
  }),
);

const isHealth = isShape<HealthConfig>({
  levels: isShape<LevelRules>({
    degradedFailures: isCount,
    degradedWithinMs: isNumber,
    unhealthyFailures: isCount,
    unhealthyWithinMs: isNumber,
    recoverSamples: isCount,
  }),
  checkTimeoutMs: isNumber,
  regretAfterMs: isNumber,
});

const isCanaryStep = isShape<CanaryStep>({
  share: isCount,
  forMs: isNumber,
  match: isNullOr(
    isShape<NonNullable<CanaryStep['match']>>({
      by: isOneOf('header', 'cookie'),
      name: isText,
      value: isNullOr(isText),
    }),
  ),
});

const isWellFormed = isShape<Config>({
  name: isText,
  file: isNullOr(isText),
  program: (value) => isNode(value) || isCommand(value),
  directory: isText,
  workers: isCount,
  ready: isOneOf('listen', 'notify', 'load'),
  env: isMapOf(isText),
  listeners: isListOf(
    isShape<ListenerConfig>({ name: isText, address: (value) => isTcp(value) || isUnix(value), backlog: isCount }),
  ),
  processes: isAbsentOr(isListOf(isProcess)),
  onDependencyFailure: isMapOf(isText),
  healing: isShape<Config['healing']>({ rules: isListOf(isRule) }),
  upgrade: isShape<Config['upgrade']>({
    readyTimeoutMs: isNumber,
    drainTimeoutMs: isNumber,
    takeoverTimeoutMs: isNumber,
    probe: isNullOr(isText),
    canary: isAbsentOr(isListOf(isCanaryStep)),
    soakMs: isAbsentOr(isNumber),
    minTrust: isAbsentOr(isNumber),
    regretMs: isNumber,
    stateMaxBytes: isNumber,
  }),
  admission: isAbsentOr(
    isShape<AdmissionConfig>({
      state: isFlag,
      minIntervalMs: isNumber,
      freeze: isListOf(isShape<FreezeWindow>({ from: isText, to: isText })),
    }),
  ),
  soak: isAbsentOr(
    isShape<SoakLimits>({ errorRatio: isNumber, p99Ms: isNumber, delayMs: isNumber, memoryGrowth: isNumber }),
  ),
  evidence: isAbsentOr(
    isShape<EvidenceConfig>({ onFailure: isListOf(isOneOf(...EVIDENCE_KINDS)), maxBytes: isNumber, cpuMs: isNumber }),
  ),
  release: isShape<Config['release']>({
    current: isNullOr(isText),
    debounceMs: isNumber,
    recheckMs: isNumber,
    verify: isOneOf('off', 'manifest', 'signature'),
    publicKey: isNullOr(isText),
    revert: isFlag,
  }),
  hooks: isShape<Config['hooks']>({
    preReload: isNullOr(isListOf(isText)),
    postReload: isNullOr(isListOf(isText)),
    onError: isNullOr(isListOf(isText)),
    timeoutMs: isNumber,
  }),
  degrade: isAbsentOr(
    isListOf(
      isShape<DegradeConfig>({
        when: (value) => typeof value === 'string' && typeof parseWhen(value) !== 'string',
        weight: isCount,
        run: isNullOr(isListOf(isText)),
        runOver: isNullOr(isListOf(isText)),
      }),
    ),
  ),
  stop: isShape<Config['stop']>({ killTimeoutMs: isNumber }),
  restart: isShape<Config['restart']>({
    delayMs: isNumber,
    delayMaxMs: isNumber,
    limit: isCount,
    stableMs: isNumber,
    budget: isCount,
    windowMs: isNumber,
  }),
  probes: isAbsentOr(isShape<ProbesConfig>({ startup: isProbe, readiness: isProbe, liveness: isProbe })),
  health: isAbsentOr(isHealth),
  admin: isAbsentOr(
    isShape<NonNullable<Config['admin']>>({
      listen: isNullOr(isAddress),
      agent: isAbsentOr(isNullOr(isAddress)),
      dashboard: isAbsentOr(isFlag),
    }),
  ),
  control: isShape<Config['control']>({ read: isListOf(isAccount), act: isListOf(isAccount) }),
  log: isShape<Config['log']>({
    level: isOneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal'),
    workers: isAbsentOr(isOneOf('text', 'json')),
  }),
});

export const isConfig = (value: unknown): value is Config => isWellFormed(value);
