/** Reads a profile as it comes, keeps a copy where one is wanted, and sums it up. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { ProfileKind } from '../control/profile-messages.js';
import { BatondError } from '../errors.js';
import { parseCpuProfile } from '../profile/cpu-profile.js';
import { type CpuSummary, summarizeCpu } from '../profile/cpu-summary.js';
import { HeapSnapshotReader, type HeapSummary } from '../profile/heap-summary.js';
import { type StartupSummary, summarizeStartup } from '../profile/startup-summary.js';

/** Of a profile of five minutes with very deep stacks there is less. */
const MAX_CPU_BYTES = 512 * 2 ** 20;

const OWN_FOLDER = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** One of them, by the kind of the profile. */
export interface Summaries {
  readonly cpu?: CpuSummary;
  readonly heap?: HeapSummary;
  readonly startup?: StartupSummary;
}

/** What the bytes of a profile are summed up with. */
interface Summing {
  push(chunk: Buffer): void;
  /** Throws where they are no profile. */
  readonly result: Summaries;
}

/** Throws NOT_WRITABLE, and CONTROL_FAILED where what comes is no profile. */
export async function summarized(
  kind: ProfileKind,
  bytes: AsyncIterable<Buffer>,
  copy: string | null,
): Promise<Summaries> {
  const summing = kind === 'heap' ? heap() : cpu(kind);
  const read = async function* () {
    for await (const chunk of bytes) {
      summing.push(chunk);
      yield chunk;
    }
  };
  try {
    if (copy === null) for await (const _ of read());
    else await pipeline(Readable.from(read()), createWriteStream(copy, { mode: 0o600 }));
    return summing.result;
  } catch (error) {
    const { path, message } = error as NodeJS.ErrnoException;
    if (path !== undefined) throw new BatondError('NOT_WRITABLE', { path: copy, reason: message }, error);
    throw new BatondError('CONTROL_FAILED', { reason: `the profile cannot be read: ${message}` }, error);
  }
}

function cpu(kind: 'cpu' | 'startup'): Summing {
  const chunks: Buffer[] = [];
  let length = 0;
  return {
    push: (chunk) => {
      length += chunk.length;
      if (length > MAX_CPU_BYTES) throw new Error(`it has more than ${MAX_CPU_BYTES} bytes`);
      chunks.push(chunk);
    },
    get result() {
      const profile = parseCpuProfile(Buffer.concat(chunks).toString('utf8'));
      return kind === 'cpu'
        ? { cpu: summarizeCpu(profile, OWN_FOLDER) }
        : { startup: summarizeStartup(profile, OWN_FOLDER) };
    },
  };
}

function heap(): Summing {
  const reader = new HeapSnapshotReader();
  return {
    push: (chunk) => reader.push(chunk),
    get result() {
      return { heap: reader.summary };
    },
  };
}
