/** The routes of profiles; loaded by the first request for one. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { BatondError } from '../errors.js';
import type { Exchange } from './exchange.js';
import { LineStream } from './line-stream.js';
import type { ProfileLine, ProfileOptions } from './profile-messages.js';
import { DEFAULT_CPU_MS, MAX_CPU_MS } from './profile-parameters.js';

/** How long a client that gets a file may read nothing. */
const STALLED_MS = 30_000;

/** Throws what `ControlHandlers.profile` throws, and REQUEST_INVALID. */
export async function makeProfile({ host, handlers, peer, query, response }: Exchange<ProfileLine>): Promise<void> {
  const options = profileOptions(query);
  host.audit.action(peer, 'profile', 'asked', options);
  const done = (code: string | null) => host.audit.action(peer, 'profile', code ?? 'done', options);
  try {
    await handlers.profile(options, new LineStream(response), done);
  } catch (error) {
    done(error instanceof BatondError ? error.code : 'CONTROL_FAILED');
    throw error;
  }
  if (response.socket !== null) host.admission.stays(response.socket);
}

/** Throws NO_PROFILE. */
export async function sendProfile({
  host,
  handlers,
  peer,
  parameter: name,
  response,
}: Exchange<string>): Promise<void> {
  const path = await handlers.profilePath(name);
  host.audit.action(peer, 'profile-read', path === null ? 'NO_PROFILE' : 'done', { file: name });
  if (path === null) throw new BatondError('NO_PROFILE', { name });
  response.writeHead(200, { 'content-type': 'application/octet-stream', connection: 'close' });
  response.socket?.setTimeout(STALLED_MS, () => response.destroy());
  // A client that goes away, or a file that was just removed: the connection ends, and with it the half of an answer.
  pipeline(createReadStream(path), response, () => {});
  if (response.socket !== null) host.admission.stays(response.socket);
}

/** What the query asks for. Throws REQUEST_INVALID. */
export function profileOptions(query: URLSearchParams): ProfileOptions {
  const kind = query.get('kind');
  const ms = query.get('ms') ?? String(DEFAULT_CPU_MS);
  const slot = query.get('slot');
  const all = query.get('all') === '1';
  if (kind !== 'cpu' && kind !== 'heap' && kind !== 'startup') throw invalid(`kind is ${kind}: cpu, heap or startup`);
  if (!/^\d{1,9}$/.test(ms) || Number(ms) < 1 || Number(ms) > MAX_CPU_MS) {
    throw invalid(`ms is ${ms}: 1 to ${MAX_CPU_MS} milliseconds`);
  }
  if (slot !== null && !/^\d{1,5}$/.test(slot)) throw invalid(`slot is ${slot}: the number of a worker`);
  if (all && slot !== null) throw invalid('all workers are asked for, and one of them');
  if (all && kind === 'heap') throw invalid('a heap is of one worker: each stands still for its own');
  if (all && kind === 'startup') throw invalid('one worker more is started, not all');
  return { kind, durationMs: Number(ms), slot: slot === null ? null : Number(slot), all };
}

const invalid = (problem: string) => new BatondError('REQUEST_INVALID', { problem });
