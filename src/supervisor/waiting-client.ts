/**
 * Whoever waits for the verdict of the reload under way: told each step, and heard when it goes away. One that asked for
 * the end of the old generations is patient: it stays after the verdict, perhaps over the next reload and its takeover.
 */
import type { ReloadLine, ReloadOutcome, ReloadStep } from '../control/messages.js';
import { ReloadClient } from '../control/reload-client.js';
import type { NamedFds } from '../inventory/inventory.js';
import type { Credentials } from '../native.js';
import { monotonicMs } from '../process/monotonic.js';

interface Patient {
  readonly client: ReloadClient;
  readonly sinceMs: number;
}

export interface PatientRecord {
  readonly report: number;
  readonly sinceMs: number;
}

type OldGone = Omit<Extract<ReloadLine, { event: 'old-gone' }>, 'event' | 'atMs'>;

export class WaitingClient {
  #client: ReloadClient | null = null;
  #sinceMs = 0;
  /** By the number of the report whose completion they wait for. */
  readonly #patient = new Map<number, Patient>();

  /** When it began to wait, milliseconds of CLOCK_MONOTONIC. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Its connection, lent, for the next supervisor; null where nobody waits. */
  get fd(): number | null {
    return this.#client?.fd ?? null;
  }

  /** Who waits for the verdict; null where nobody does. */
  get peer(): Credentials | null {
    return this.#client?.peer ?? null;
  }

  attend(client: ReloadClient, sinceMs: number, onGone: () => void): void {
    this.#client = client;
    this.#sinceMs = sinceMs;
    client.onGone = onGone;
  }

  /** A reload that nobody waits for. */
  alone(sinceMs: number): void {
    this.#client = null;
    this.#sinceMs = sinceMs;
  }

  step(step: ReloadStep, message: string): void {
    this.#client?.line({ event: 'step', step, message, atMs: monotonicMs() - this.#sinceMs });
  }

  /** With the number of a report the client stays until `oldGone` of it. */
  verdict(outcome: ReloadOutcome, untilGone: number | null): void {
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    client.line({ event: 'verdict', ...outcome }, untilGone === null);
    if (untilGone === null) return;
    client.onGone = null;
    this.#patient.set(untilGone, { client, sinceMs: this.#sinceMs });
  }

  oldGone(report: number, facts: OldGone): void {
    const patient = this.#patient.get(report);
    this.#patient.delete(report);
    patient?.client.line({ event: 'old-gone', ...facts, atMs: monotonicMs() - patient.sinceMs }, true);
  }

  /** Those who still wait for the end of old generations; their connections are lent under `patient.<report>`. */
  givePatient(fds: NamedFds): PatientRecord[] {
    return [...this.#patient].flatMap(([report, { client, sinceMs }]) => {
      const fd = client.fd;
      if (fd === null) return [];
      fds.set(`patient.${report}`, fd);
      return { report, sinceMs };
    });
  }

  takePatient(records: readonly PatientRecord[], fds: NamedFds): void {
    for (const { report, sinceMs } of records) {
      const fd = fds.get(`patient.${report}`);
      if (fd === undefined) continue;
      fds.delete(`patient.${report}`);
      this.#patient.set(report, { client: ReloadClient.adopt(fd), sinceMs });
    }
  }
}
