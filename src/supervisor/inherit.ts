/**
 * Takes the inventory over from the supervisor that started this process: carries out what the table in
 * src/takeover/successor.ts says. Until `yours` it holds duplicates and acts on nothing.
 */
import { readSync } from 'node:fs';
import { PacketSocket } from '../channel/packet-socket.js';
import { isSnapshot } from '../inventory/check-snapshot.js';
import { Inventory, type NamedFds, type Secrets, SNAPSHOT_VERSION, type Snapshot } from '../inventory/inventory.js';
import type { Log } from '../log.js';
import { Runner } from '../machine/runner.js';
import { type Fd, native } from '../native.js';
import { decodeFromPredecessor, TAKEOVER_VERSION } from '../takeover/messages.js';
import { SUCCESSOR, type SuccessorEffect, type SuccessorEvent, type SuccessorState } from '../takeover/successor.js';
import { VERSION } from '../version.js';

/** The predecessor has its own deadline, from the config; this one only ends a successor that was forgotten. */
const FORGOTTEN_AFTER_MS = 120_000;

export interface Inherited {
  readonly state: Snapshot & Secrets;
  readonly fds: NamedFds;
}

/** Tells the predecessor why this process will not take over; it keeps serving. */
export function refuseTakeover(fd: Fd, code: string, message: string): void {
  const data = Buffer.from(JSON.stringify({ type: 'refused', code, message }));
  native().send(fd, data);
}

/** Resolves at `yours`. Rejects when the predecessor goes away or breaks the protocol: then nothing has been touched. */
export function inherit(fd: Fd, serviceName: string, log: Log): Promise<Inherited> {
  return new Promise((resolve, reject) => {
    const fds: NamedFds = new Map();
    let state: (Snapshot & Secrets) | null = null;
    let expected = 0;
    let reason = 'it broke the protocol';

    const runner = new Runner<SuccessorState, SuccessorEvent, SuccessorEffect, never>(SUCCESSOR, 'greeting', {
      effects: {
        acknowledge: () => {
          channel.send({ type: 'ack' });
          if (fds.size === expected) runner.post('complete');
        },
        took: () => channel.send({ type: 'took', fds: fds.size }),
        restore: () => {
          clearTimeout(deadline);
          channel.close();
          resolve({ state: state!, fds });
        },
        giveUp: () => {
          clearTimeout(deadline);
          if (!channel.closed) channel.send({ type: 'refused', code: 'SUCCESSOR_REFUSED', message: reason });
          channel.close();
          reject(new Error(`the takeover ended: ${reason}`));
        },
      },
      refused: () => {},
      moved: (from, event, to) => log.debug({ event: 'takeover', from, on: event, to }, `takeover: ${to}`),
      ignored: (at, event, why) =>
        log.debug({ event: 'takeover-ignored', state: at, on: event }, `${event} ignored: ${why}`),
    });
    const violated = (why: string) => {
      reason = why;
      runner.post('violated');
    };

    const channel = new PacketSocket(fd, {
      onPacket: (value, received) => {
        const message = decodeFromPredecessor(value);
        if (message?.type === 'inventory' && received.length === 1) {
          state = readSnapshot(received[0]!, message.bytes);
          native().close(received[0]!);
          expected = message.fds;
          if (state === null) violated(`its inventory has a format that batond ${VERSION} does not know`);
          else if (state.name !== serviceName) {
            violated(
              `the service is named ${state.name} and the config now says ${serviceName}; a reload cannot rename it`,
            );
          } else runner.post('inventory');
        } else if (message?.type === 'fds' && received.length === message.names.length) {
          message.names.forEach((name, i) => {
            fds.set(name, received[i]!);
          });
          const problem = state !== null && fds.size === expected ? problemWith(state, fds) : null;
          if (problem === null) runner.post('batch');
          else violated(problem);
        } else {
          for (const one of received) native().close(one);
          if (message?.type === 'yours') runner.post('yours');
          else violated('it sent what cannot be followed');
        }
      },
      onClose: (why) => {
        reason = `the predecessor went away: ${why}`;
        runner.post('predecessorGone');
      },
    });
    const deadline = setTimeout(() => {
      reason = 'the predecessor went silent';
      runner.post('timedOut');
    }, FORGOTTEN_AFTER_MS);

    channel.send({ type: 'hello', version: TAKEOVER_VERSION, batond: VERSION });
  });
}

/** Null where it is not a snapshot that this version can follow, as a whole or in any part. */
function readSnapshot(memfd: Fd, bytes: number): (Snapshot & Secrets) | null {
  const data = Buffer.alloc(bytes);
  try {
    for (let at = 0; at < bytes; ) {
      const read = readSync(memfd, data, at, bytes - at, at);
      if (read === 0) return null;
      at += read;
    }
    const state: unknown = JSON.parse(data.toString('utf8'));
    return isSnapshot(state) && state.version === SNAPSHOT_VERSION ? state : null;
  } catch {
    return null;
  }
}

/** Every descriptor has to be there and to be what its name says, before the predecessor lets go of its own. */
function problemWith(state: Snapshot, fds: NamedFds): string | null {
  const lacking = Inventory.missing(state, new Set(fds.keys()));
  if (!fds.has('control')) lacking.push('control');
  if (lacking.length > 0) return `the inventory lacks ${lacking.join(', ')}`;
  for (const [name, fd] of fds) {
    try {
      // Signal 0 asks only whether it is a pidfd; that the process has ended meanwhile is no problem.
      if (name.startsWith('pidfd.')) native().pidfdSignal(fd, 0);
      else if (/^(out|err|left)\./.test(name)) native().pipeSize(fd);
      else {
        const { listening, type } = native().socketInfo(fd);
        if (name.startsWith('listener.') && !listening && type !== 'dgram') return `${name} does not listen`;
      }
    } catch (error) {
      return `${name} is not what its name says: ${(error as Error).message}`;
    }
  }
  return null;
}
