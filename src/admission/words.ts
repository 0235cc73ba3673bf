/** What a refusal says to people: what is lacking and by how much, or until when. Pure. */
import { formatDuration } from '../config/duration.js';
import { roughSize } from '../config/size.js';
import type { Refusal } from './admission.js';
import type { Resource, Shortage } from './room.js';

/** The facts of its row in the table of errors. */
export function factsOf(refusal: Refusal): Readonly<Record<string, unknown>> {
  const retryAfterSeconds = Math.max(1, Math.ceil(refusal.retryAfterMs / 1_000));
  switch (refusal.code) {
    case 'FROZEN': {
      const { window, until } = refusal.frozen;
      return { retryAfterSeconds, from: window.from, to: window.to, until };
    }
    case 'UNHEALTHY':
      return { retryAfterSeconds };
    case 'TOO_SOON': {
      const [since, min] = [refusal.sinceMs, refusal.minMs].map((ms) => formatDuration(wholeSeconds(ms)));
      return { retryAfterSeconds, since, min };
    }
    case 'NO_ROOM': {
      const { workers, shortages } = refusal;
      const whom = `${workers} ${workers === 1 ? 'worker' : 'workers'} and the next supervisor`;
      const [first, ...others] = shortages.map(describe);
      return { retryAfterSeconds, lacking: [`for ${whom} it needs ${first}`, ...others].join('; it needs ') };
    }
  }
}

/** "412 MiB and has 96 MiB (memory.max of shop.service): 316 MiB are lacking". */
function describe({ resource, needed, left, of }: Shortage): string {
  const text = AMOUNTS[resource];
  // The difference of what is said, so that the three numbers agree.
  return `${text(needed)} and has ${text(left)} (${of}): ${text(lacking(resource, needed, left))} are lacking`;
}

function lacking(resource: Resource, needed: number, left: number): number {
  if (resource !== 'memory') return needed - left;
  const unit = 2 ** 20;
  return (Math.ceil(needed / unit) - Math.ceil(left / unit)) * unit || needed - left;
}

const AMOUNTS: Readonly<Record<Resource, (amount: number) => string>> = {
  memory: roughSize,
  tasks: (amount) => `${amount} tasks`,
  descriptors: (amount) => `${amount} descriptors`,
  files: (amount) => `${amount} open files`,
};

const wholeSeconds = (ms: number) => (ms < 1_000 ? Math.round(ms) : Math.floor(ms / 1_000) * 1_000);
