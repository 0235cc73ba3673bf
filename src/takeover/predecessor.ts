/**
 * A takeover as the supervisor sees it that hands the inventory over (S1).
 *
 *   systemd         S1 (main)                                  S2
 *      |             clone(CLONE_PARENT), exec ---------------> boots, reads config, resolves the release
 *      |             <-- hello {version, protocol} ------------
 *      |             stops reading its channels: bytes wait in the sockets, the snapshot cannot age
 *      |             --- inventory {state, counts} ----------->
 *      |             --- fds {names} + descriptors -----------> each batch is answered by `ack`
 *      |             <-- took {counts} -----------------------  every descriptor has been checked
 *      | <- MAINPID  --- yours -------------------------------> S2 acts from here on
 *      | <- BARRIER  exit 0                                     READY, STATUS, the roll
 *
 * Anything wrong before `yours`: S2 is killed, S1 reads its channels again, the reload fails with the reason.
 * After `yours` S2 is the main process; if it dies systemd starts the next one.
 */
import { go, ignore, refuse, type Table } from '../machine/table.js';

export type PredecessorState = 'idle' | 'starting' | 'handing' | 'yielding';

export type PredecessorEvent =
  | 'begin'
  | 'hello'
  | 'acknowledged'
  | 'took'
  /** The successor says why it will not. */
  | 'refused'
  | 'successorExited'
  /** It says what it must not, or its counts differ. */
  | 'violated'
  | 'timedOut'
  | 'aborted'
  /** systemd has processed all that we said. */
  | 'yielded';

export type PredecessorEffect =
  | 'startSuccessor'
  | 'freeze'
  | 'sendInventory'
  | 'sendBatch'
  | 'yield'
  | 'exit'
  | 'endSuccessor'
  | 'thaw'
  | 'reportFailed';

const early = ignore('nothing of that kind was sent yet');
const over = ignore('the takeover it belongs to is over');
const theirs = ignore('the successor is the main process: what becomes of it is for systemd to see');

export const PREDECESSOR: Table<PredecessorState, PredecessorEvent, PredecessorEffect, 'BUSY'> = {
  idle: {
    begin: go('starting', 'startSuccessor'),
    hello: over,
    acknowledged: over,
    took: over,
    refused: over,
    successorExited: over,
    violated: over,
    timedOut: over,
    aborted: over,
    yielded: over,
  },
  starting: {
    begin: refuse('BUSY'),
    hello: go('handing', 'freeze', 'sendInventory'),
    acknowledged: early,
    took: early,
    refused: go('idle', 'endSuccessor', 'reportFailed'),
    successorExited: go('idle', 'endSuccessor', 'reportFailed'),
    violated: go('idle', 'endSuccessor', 'reportFailed'),
    timedOut: go('idle', 'endSuccessor', 'reportFailed'),
    aborted: go('idle', 'endSuccessor', 'reportFailed'),
    yielded: early,
  },
  handing: {
    begin: refuse('BUSY'),
    hello: ignore('it has greeted already'),
    acknowledged: go('handing', 'sendBatch'),
    took: go('yielding', 'yield'),
    refused: go('idle', 'endSuccessor', 'thaw', 'reportFailed'),
    successorExited: go('idle', 'endSuccessor', 'thaw', 'reportFailed'),
    violated: go('idle', 'endSuccessor', 'thaw', 'reportFailed'),
    timedOut: go('idle', 'endSuccessor', 'thaw', 'reportFailed'),
    aborted: go('idle', 'endSuccessor', 'thaw', 'reportFailed'),
    yielded: early,
  },
  yielding: {
    begin: refuse('BUSY'),
    hello: theirs,
    acknowledged: theirs,
    took: theirs,
    refused: theirs,
    successorExited: theirs,
    violated: theirs,
    timedOut: theirs,
    aborted: ignore('the connection of whoever asked is with the successor'),
    yielded: go('yielding', 'exit'),
  },
};
