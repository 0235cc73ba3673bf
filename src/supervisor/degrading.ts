/**
 * What the rules of [[degrade]] have come to: the weight that load balancers should give to the service, and the record
 * that goes to the next supervisor. What looks and acts is loaded only where there are rules.
 */
import { carryOver, fires, type RuleRecord, weightOf } from '../circuit/rule.js';
import { monotonicMs } from '../process/monotonic.js';
import type { Circuit, CircuitHost } from './circuit.js';

export class Degrading {
  readonly #host: CircuitHost;
  #rules: readonly RuleRecord[] = [];
  #circuit: Circuit | null = null;
  #active = false;

  constructor(host: CircuitHost) {
    this.#host = host;
  }

  /** Of 100, while the service serves. */
  get weight(): number {
    return weightOf(this.record);
  }

  get record(): readonly RuleRecord[] {
    return this.#circuit?.rules ?? this.#rules;
  }

  /** A sentence for the status; null while nothing fires. */
  get saying(): string | null {
    const firing = this.record.filter(fires);
    return firing.length === 0 ? null : `Weight ${this.weight} %: ${firing.map(({ when }) => when).join('; ')}.`;
  }

  /** Of the supervisor before. A rule that the config has no more is forgotten, and leaves nothing to be over. */
  restore(recorded: readonly RuleRecord[]): void {
    this.#rules = carryOver(this.#host.config.degrade ?? [], recorded, monotonicMs());
  }

  activate(): void {
    this.#active = true;
    const rules = this.#host.config.degrade ?? [];
    if (rules.length === 0) return;
    if (this.#rules.length === 0) this.#rules = carryOver(rules, [], monotonicMs());
    if (this.#circuit !== null) this.#circuit.begin();
    else void this.#load();
  }

  /** The rules may be others: those that were there go on from where they stand, without a command that ran. */
  reconfigure(): void {
    const recorded = this.record;
    this.#circuit?.stop(new Error('the configuration has changed'));
    this.#circuit = null;
    this.#rules = carryOver(this.#host.config.degrade ?? [], recorded, monotonicMs());
    if (this.#active) this.activate();
  }

  /** Looks at nothing and begins nothing more; a command that runs goes on for as long as this process does. */
  freeze(): void {
    this.#active = false;
    this.#circuit?.freeze();
  }

  /** For good: the service stops. */
  stop(cause: Error): void {
    this.freeze();
    this.#circuit?.stop(cause);
  }

  async #load(): Promise<void> {
    const { Circuit } = await import('./circuit.js');
    this.#circuit ??= new Circuit(this.#host, this.#rules);
    if (this.#active) this.#circuit.begin();
  }
}
