/** The two sockets on which load balancers ask, admin.listen and admin.agent, taken as one: each by itself is an `Admin`. */
import type { NamedFds, Snapshot } from '../inventory/inventory.js';
import type { Admin } from './admin.js';

export class Doors {
  readonly #admin: Admin;
  readonly #agent: Admin;

  constructor(admin: Admin, agent: Admin) {
    this.#admin = admin;
    this.#agent = agent;
  }

  /** What the status says; null where all is well. */
  get problem(): string | null {
    const problems = this.#both.flatMap(({ problem }) => problem ?? []);
    return problems.length === 0 ? null : problems.join(' ');
  }

  give(fds: NamedFds): Required<Pick<Snapshot, 'admin' | 'agent'>> {
    return { admin: this.#admin.give(fds), agent: this.#agent.give(fds) };
  }

  take(fds: NamedFds, { admin, agent }: Snapshot): void {
    this.#admin.take(fds, admin ?? null);
    this.#agent.take(fds, agent ?? null);
  }

  resume(): void {
    for (const one of this.#both) one.resume();
  }

  pause(): void {
    for (const one of this.#both) one.pause();
  }

  /** Throws LISTENER_NOT_BOUND. */
  async bind(): Promise<void> {
    for (const one of this.#both) await one.bind();
  }

  bindIfPossible(): void {
    for (const one of this.#both) one.bindIfPossible();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#both.map((one) => one.settled()));
  }

  async finished(): Promise<void> {
    await Promise.all(this.#both.map((one) => one.finished()));
  }

  close(): void {
    for (const one of this.#both) one.close();
  }

  get #both(): readonly Admin[] {
    return [this.#admin, this.#agent];
  }
}
