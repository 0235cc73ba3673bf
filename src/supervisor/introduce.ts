/**
 * Brings workers of two generations together: each that leaves gets a direct channel to each that serves, and they
 * settle the rest between themselves. The supervisor keeps neither end, so a takeover has nothing to hand on.
 */
import { Descriptor } from '../inventory/descriptor.js';
import type { Generation } from '../inventory/generation.js';
import type { Phase, Worker } from '../inventory/worker.js';
import { native } from '../native.js';

/** Those that accept, or will in a moment. */
const SERVING: ReadonlySet<Phase> = new Set(['opening', 'open']);

/** Gives one worker a channel to each of a candidate's of its process, for new connections that it is to hand over. */
export function introduceTakers(sender: Worker, from: Generation, candidate: Generation): void {
  const { name } = from.processOf(sender.slot);
  for (const receiver of candidate.coreWorkers) {
    if (candidate.processOf(receiver.slot).name === name) pair(sender, receiver, true);
  }
}

/** A generation has as many links as its workers times those that serve; they end with the first of the two. */
export function introduce(leaving: Generation, serving: Generation | null): void {
  const receivers = [...(serving?.workers.values() ?? [])].filter(({ phase }) => SERVING.has(phase));
  for (const sender of leaving.workers.values()) {
    const { name, tier } = leaving.processOf(sender.slot);
    if (tier !== 'core') continue;
    for (const receiver of receivers) {
      // Nobody but another worker of the same program knows what to do with its connections.
      if (serving?.processOf(receiver.slot).name !== name) continue;
      if (sender.hasChannel && receiver.hasChannel) pair(sender, receiver, false);
    }
  }
}

/** One worker that is to go while its generation stays. */
export function introduceLeaving(leaving: Worker, generation: Generation): void {
  const { name } = generation.processOf(leaving.slot);
  for (const receiver of generation.coreWorkers) {
    const isOther = receiver !== leaving && SERVING.has(receiver.phase);
    if (!isOther || generation.processOf(receiver.slot).name !== name) continue;
    if (leaving.hasChannel && receiver.hasChannel) pair(leaving, receiver, false);
  }
}

function pair(sender: Worker, receiver: Worker, takes: boolean): void {
  const [one, other] = native().socketpair('seqpacket');
  using end = new Descriptor(one);
  using farEnd = new Descriptor(other);
  sender.link(receiver.id, end.fd, takes);
  receiver.link(sender.id, farEnd.fd);
}
