/** Checks what came over a worker's channel: a worker runs the user's code, so nothing it sends is taken on trust. */
import { isChecked, isChecks, isHoldings } from './decode-checks.js';
import { isMeasures, withDefaults } from './decode-measures.js';
import type { FromWorker, ListenAddress } from './messages.js';

const isText = (value: unknown, max = 4_096): value is string => typeof value === 'string' && value.length <= max;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isPort = (value: unknown): value is number => isCount(value) && value <= 65_535;
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const isMeasure = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

const isAccepts = (value: unknown): boolean => value === 'all' || value === 'main' || value === 'canary';
/** What an older preload does not say. */
const isAbsentOr = (value: unknown, check: (value: unknown) => boolean): boolean => value === undefined || check(value);

type Fields = Record<string, unknown>;

const CHECKS: Record<FromWorker['type'], (message: Fields) => boolean> = {
  hello: (m) => isCount(m.version) && isText(m.node, 64) && isAbsentOr(m.canaries, isFlag),
  listen: (m) => isCount(m.id) && isListenAddress(m.address) && isCount(m.backlog) && m.backlog <= 0x7fff_ffff,
  listening: (m) => isText(m.name, 256),
  unlisten: (m) => isText(m.name, 256),
  ready: (m) => m.by === 'listen' || m.by === 'notify' || m.by === 'load',
  fatal: (m) => isText(m.message, 16_384) && (m.stack === undefined || isText(m.stack, 16_384)),
  pong: (m) => isCount(m.id),
  opened: (m) => isCount(m.id) && isAbsentOr(m.on, isAccepts),
  paused: (m) => isCount(m.id),
  drained: (m) => isCount(m.id) && isTally(m.tally),
  measures: (m) => isCount(m.id) && isMeasures(m),
  state: (m) => isFlag(m.saves) && (m.restores === null || m.restores === 'rollback' || m.restores === 'empty'),
  saved: (m) => isCount(m.to) && isCount(m.bytes) && isMeasure(m.ms),
  unsaved: (m) => isCount(m.to) && (m.tooLargeBytes === null || isCount(m.tooLargeBytes)) && isText(m.reason, 2_000),
  restored: (m) => isCount(m.from) && isMeasure(m.ms),
  unrestored: (m) => isCount(m.from) && isText(m.reason, 2_000),
  holdings: (m) => isCount(m.id) && isHoldings(m),
  examined: (m) =>
    isCount(m.id) && (m.reason === null ? isCount(m.bytes) : m.bytes === null && isText(m.reason, 2_000)),
  checks: isChecks,
  checked: isChecked,
  standing: (m) =>
    isCount(m.id) &&
    isFlag(m.ready) &&
    isFlag(m.open) &&
    isAbsentOr(m.on, isAccepts) &&
    isFlag(m.draining) &&
    isNames(m.listening),
};

/** As many as a service may have listeners. */
function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.length <= 256 && value.every((name) => isText(name, 256));
}

/** The message; 'unknown' where a newer preload says what this side does not know; null where it is none at all. */
export function decodeFromWorker(value: unknown): FromWorker | 'unknown' | null {
  if (typeof value !== 'object' || value === null) return null;
  const message = value as Fields;
  const type = message.type;
  if (!isText(type, 64)) return null;
  if (!Object.hasOwn(CHECKS, type)) return 'unknown';
  if (!CHECKS[type as FromWorker['type']](message)) return null;
  const known = message as FromWorker;
  return known.type === 'measures' ? withDefaults(known) : known;
}

function isTally(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { moved, finished, told, cut } = value as Fields;
  return isCount(moved) && isCount(finished) && isCount(told) && isCount(cut);
}

function isListenAddress(value: unknown): value is ListenAddress {
  if (typeof value !== 'object' || value === null) return false;
  const address = value as Fields;
  if (address.kind === 'unix') {
    return isText(address.path, 108);
  }
  if (address.kind === 'udp') {
    return (
      isText(address.host, 256) &&
      isPort(address.port) &&
      address.port > 0 &&
      isFlag(address.ipv6Only) &&
      isFlag(address.reuseAddress)
    );
  }
  return (
    address.kind === 'tcp' &&
    (address.host === null || isText(address.host, 256)) &&
    isPort(address.port) &&
    isFlag(address.ipv6Only) &&
    isFlag(address.reusePort) &&
    isCount(address.ordinal)
  );
}
