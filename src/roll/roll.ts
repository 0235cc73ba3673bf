/**
 * THE machine of a roll: a candidate generation replaces the incumbent, or does not.
 *
 *   steady -> booting -> probing -> canarying -> restoring -> switching -> soaking -> committing -> steady
 *                |          |           |            |            |           |
 *                +----------+-----------+------------+------------+-----------+--> rollingBack -> steady
 *
 * Pure data: no I/O, no clock. The first start of a service is the same roll with no incumbent. At every instant
 * somebody accepts: candidates open before incumbents pause, and incumbents resume before candidates are dismissed.
 * The app's state is passed on as late as can be, when the candidates are proven, and before they serve all. A canary
 * comes before it: what incumbents learn while it lasts, minutes perhaps, would be lost if they had told all before.
 */
import { go, ignore, refuse, type Table } from '../machine/table.js';

export type RollState =
  | 'steady'
  | 'booting'
  | 'probing'
  | 'canarying'
  | 'restoring'
  | 'switching'
  | 'soaking'
  | 'committing'
  | 'rollingBack';

export type RollEvent =
  /** Somebody asks for a new generation. */
  | 'begin'
  /** The last candidate worker is ready. */
  | 'ready'
  /** The last candidate worker has answered its probe well. */
  | 'answered'
  /** A step of the canary is over, and another follows. */
  | 'stepped'
  /** The last step of the canary is over; or there was none. */
  | 'canaried'
  /** Every candidate has what incumbents saved for it; or there was nothing to pass on. */
  | 'restored'
  /** A state could not be saved or restored, and the candidate does not go on without it. */
  | 'stateLost'
  /** The last candidate worker accepts. */
  | 'opened'
  /** The last incumbent worker accepts no more. */
  | 'paused'
  /** The soak is over and nothing spoke against the candidate. */
  | 'soaked'
  /** The release is on record as the last good one, or that was tried. */
  | 'committed'
  /** A candidate worker could not be started, exited, or answered its probe badly. */
  | 'candidateFailed'
  /** An incumbent worker exited; its slot is started again beside the roll. */
  | 'incumbentExited'
  /** The deadline of this state has passed. */
  | 'timedOut'
  /** Whoever asked went away, or the service is stopping. */
  | 'aborted'
  /** The last incumbent worker accepts again. */
  | 'resumed'
  /** The supervisor that began this roll died before its commit: this one takes it back. */
  | 'cutOff';

export type RollEffect =
  | 'startCandidates'
  | 'probeCandidates'
  | 'canary'
  | 'nextStep'
  | 'passState'
  | 'openCandidates'
  | 'pauseIncumbents'
  | 'soak'
  | 'record'
  | 'promote'
  | 'resumeIncumbents'
  | 'dismissCandidates'
  | 'reportDone'
  | 'reportFailed';

export type RollRefusal = 'BUSY';

const ours = ignore('this roll was begun by the supervisor that lives');
const over = ignore('it belongs to a roll that is over');
const early = ignore('nobody was asked for that yet');
const tried = ignore('the canary is over');
const beside = ignore('its slot is started again beside the roll');
const late = ignore('the candidate already serves: from here its crashes are those of the serving generation');
const passed = ignore('every state had been passed on already');
const lost = ignore('the roll has already failed, for its first cause');

export const ROLL: Table<RollState, RollEvent, RollEffect, RollRefusal> = {
  steady: {
    begin: go('booting', 'startCandidates'),
    ready: over,
    answered: over,
    stepped: over,
    canaried: over,
    restored: over,
    stateLost: over,
    opened: over,
    paused: over,
    soaked: over,
    committed: over,
    candidateFailed: over,
    incumbentExited: beside,
    timedOut: over,
    aborted: over,
    resumed: over,
    cutOff: go('rollingBack', 'resumeIncumbents'),
  },
  booting: {
    begin: refuse('BUSY'),
    ready: go('probing', 'probeCandidates'),
    answered: early,
    stepped: early,
    canaried: early,
    restored: early,
    stateLost: early,
    opened: early,
    paused: early,
    soaked: early,
    committed: early,
    candidateFailed: go('rollingBack', 'resumeIncumbents'),
    incumbentExited: beside,
    timedOut: go('rollingBack', 'resumeIncumbents'),
    aborted: go('rollingBack', 'resumeIncumbents'),
    resumed: early,
    cutOff: ours,
  },
  probing: {
    begin: refuse('BUSY'),
    ready: ignore('every candidate was ready already'),
    answered: go('canarying', 'canary'),
    stepped: early,
    canaried: early,
    restored: early,
    stateLost: early,
    opened: early,
    paused: early,
    soaked: early,
    committed: early,
    candidateFailed: go('rollingBack', 'resumeIncumbents'),
    incumbentExited: beside,
    timedOut: go('rollingBack', 'resumeIncumbents'),
    aborted: go('rollingBack', 'resumeIncumbents'),
    resumed: early,
    cutOff: ours,
  },
  canarying: {
    begin: refuse('BUSY'),
    ready: ignore('every candidate was ready already'),
    answered: ignore('every candidate had answered already'),
    stepped: go('canarying', 'nextStep'),
    canaried: go('restoring', 'passState'),
    restored: early,
    stateLost: early,
    opened: early,
    paused: early,
    soaked: early,
    committed: early,
    candidateFailed: go('rollingBack', 'resumeIncumbents'),
    incumbentExited: beside,
    timedOut: go('rollingBack', 'resumeIncumbents'),
    aborted: go('rollingBack', 'resumeIncumbents'),
    resumed: early,
    cutOff: ours,
  },
  restoring: {
    begin: refuse('BUSY'),
    ready: ignore('every candidate was ready already'),
    answered: ignore('every candidate had answered already'),
    stepped: tried,
    canaried: tried,
    restored: go('switching', 'openCandidates'),
    stateLost: go('rollingBack', 'resumeIncumbents'),
    opened: early,
    paused: early,
    soaked: early,
    committed: early,
    candidateFailed: go('rollingBack', 'resumeIncumbents'),
    incumbentExited: ignore('its slot is started again beside the roll; what it had not saved yet counts as not saved'),
    timedOut: go('rollingBack', 'resumeIncumbents'),
    aborted: go('rollingBack', 'resumeIncumbents'),
    resumed: early,
    cutOff: ours,
  },
  switching: {
    begin: refuse('BUSY'),
    ready: ignore('every candidate was ready already'),
    answered: ignore('every candidate had answered already'),
    stepped: tried,
    canaried: tried,
    restored: passed,
    stateLost: passed,
    opened: go('switching', 'pauseIncumbents'),
    paused: go('soaking', 'soak'),
    soaked: early,
    committed: early,
    candidateFailed: go('rollingBack', 'resumeIncumbents'),
    incumbentExited: beside,
    timedOut: go('rollingBack', 'resumeIncumbents'),
    aborted: go('rollingBack', 'resumeIncumbents'),
    resumed: early,
    cutOff: ours,
  },
  soaking: {
    begin: refuse('BUSY'),
    ready: ignore('every candidate was ready already'),
    answered: ignore('every candidate had answered already'),
    stepped: tried,
    canaried: tried,
    restored: passed,
    stateLost: passed,
    opened: ignore('every candidate was open already'),
    paused: ignore('every incumbent had paused already'),
    soaked: go('committing', 'record'),
    committed: early,
    candidateFailed: go('rollingBack', 'resumeIncumbents'),
    incumbentExited: beside,
    timedOut: go('rollingBack', 'resumeIncumbents'),
    aborted: go('rollingBack', 'resumeIncumbents'),
    resumed: early,
    cutOff: ours,
  },
  committing: {
    begin: refuse('BUSY'),
    ready: late,
    answered: late,
    stepped: late,
    canaried: late,
    restored: late,
    stateLost: late,
    opened: late,
    paused: late,
    soaked: ignore('the soak was over already'),
    committed: go('steady', 'promote', 'reportDone'),
    candidateFailed: late,
    incumbentExited: beside,
    timedOut: late,
    aborted: ignore('too late: the candidate already serves'),
    resumed: early,
    cutOff: ours,
  },
  rollingBack: {
    begin: refuse('BUSY'),
    ready: lost,
    answered: lost,
    stepped: lost,
    canaried: lost,
    restored: lost,
    stateLost: lost,
    opened: lost,
    paused: lost,
    soaked: lost,
    committed: lost,
    candidateFailed: lost,
    incumbentExited: beside,
    timedOut: go('steady', 'dismissCandidates', 'reportFailed'),
    aborted: lost,
    resumed: go('steady', 'dismissCandidates', 'reportFailed'),
    cutOff: ours,
  },
};
