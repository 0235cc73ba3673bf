/**
 * A service installed under a real systemd, for tests: `batond install` as a user would, release folders in the lab's
 * shared folder, load from outside (the network is shared), and what systemd says of the unit.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HistoryRow, ReloadOutcome, Status } from '../../../src/control/messages.js';
import { type ExecResult, type Lab, startLab } from '../lab/start-lab.mjs';
import { type LoadHandle, type LoadOptions, startLoadProcess } from '../load/start-load.mjs';
import { MAIN, NODE, ROOT } from './batond.js';
import { freePort } from './free-port.js';
import { type App, Releases } from './releases.js';
import { eventually } from './wait.js';

export interface InstalledOptions {
  readonly app?: App;
  readonly workers?: number;
  /** More arguments of `batond install`. */
  readonly args?: readonly string[];
  /** Called when the first release is there; what it returns are still more of them. */
  readonly prepare?: (service: InstalledService) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class InstalledService implements AsyncDisposable {
  readonly lab: Lab;
  readonly port: number;
  readonly releases: Releases;
  readonly #loads: LoadHandle[] = [];

  private constructor(lab: Lab, port: number) {
    this.lab = lab;
    this.port = port;
    this.releases = new Releases(join(lab.share, 'srv'));
  }

  static async start({
    app = 'answers',
    workers = 2,
    args = [],
    prepare = () => [],
    env = {},
  }: InstalledOptions = {}): Promise<InstalledService> {
    const service = new InstalledService(await startLab(), await freePort());
    try {
      service.deploy(app);
      const variables = { PORT: String(service.port), NODE_PATH: join(ROOT, 'node_modules'), ...env };
      await service.batond(
        'install',
        join(service.releases.current, 'server.js'),
        '--directory',
        service.releases.current,
        '--workers',
        String(workers),
        ...Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
        ...args,
        ...prepare(service),
        '--now',
      );
      return service;
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  deploy(app: App): string {
    return this.releases.deploy(app);
  }

  /** Throws with all its output when it fails. */
  batond(command: string, ...args: string[]): Promise<ExecResult> {
    return this.lab.exec([NODE, MAIN, command, '--name', 'shop', ...args]);
  }

  async status(): Promise<Status> {
    return JSON.parse((await this.batond('status', '--json')).stdout) as Status;
  }

  /** What was run and tried; the oldest first. */
  async history(): Promise<HistoryRow[]> {
    return JSON.parse((await this.batond('history', '--json')).stdout) as HistoryRow[];
  }

  /** `systemctl reload shop`: its status is the verdict. */
  async reload(): Promise<ExecResult & { readonly verdict: ReloadOutcome | null }> {
    const result = await this.lab.exec(['systemctl', 'reload', 'shop'], { check: false, timeoutMs: 120_000 });
    return { ...result, verdict: (await this.status()).lastReload };
  }

  /** Adds lines to [Service] of the unit, for its next supervisor, and restarts it. */
  async dropIn(lines: readonly string[]): Promise<void> {
    const file = join(this.lab.share, 'test.conf');
    writeFileSync(file, `[Service]\n${lines.join('\n')}\n`);
    await this.lab.exec(['mkdir', '-p', '/etc/systemd/system/shop.service.d']);
    await this.lab.exec(['cp', file, '/etc/systemd/system/shop.service.d/']);
    await this.lab.exec(['systemctl', 'daemon-reload']);
    await this.lab.exec(['systemctl', 'restart', 'shop']);
  }

  /** One property of the unit. */
  async show(property: string): Promise<string> {
    return (await this.lab.exec(['systemctl', 'show', '-P', property, 'shop'])).stdout.trim();
  }

  async journal(...args: string[]): Promise<string> {
    await this.lab.exec(['journalctl', '--sync']);
    return (await this.lab.exec(['journalctl', '-u', 'shop', '--no-pager', ...args])).stdout;
  }

  async load(options: Omit<LoadOptions, 'port'>): Promise<LoadHandle> {
    const load = await startLoadProcess({ port: this.port, ...options });
    this.#loads.push(load);
    return load;
  }

  /** The pids of the unit's processes, as the lab counts them. */
  async pids(): Promise<number[]> {
    const group = `/sys/fs/cgroup${await this.show('ControlGroup')}/cgroup.procs`;
    return (await this.lab.exec(['cat', group])).stdout.trim().split('\n').map(Number);
  }

  async untilDrained(): Promise<Status> {
    return eventually(
      () => this.status(),
      (status) => status.generations.length === 1,
      { deadlineMs: 20_000, what: () => 'the old generations are gone' },
    );
  }

  /** The supervisor systemd speaks of, the workers of one generation, nobody else; no zombie, no stray file. */
  async expectNoLeftovers(): Promise<void> {
    const status = await this.untilDrained();
    const workers = status.generations[0]!.workers.map(({ pid }) => pid);
    const expected = [status.supervisor.pid, ...workers].sort((a, b) => a - b);
    await eventually(
      async () => ({ pids: (await this.pids()).sort((a, b) => a - b), main: Number(await this.show('MainPID')) }),
      ({ pids, main }) => JSON.stringify(pids) === JSON.stringify(expected) && main === status.supervisor.pid,
      { what: () => `only ${expected} are in the unit` },
    );
    const zombies = await this.lab.exec(['sh', '-c', 'grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null || true']);
    if (zombies.stdout !== '') throw new Error(`zombies are left: ${zombies.stdout}`);
    const files = (await this.lab.exec(['ls', '/run/batond/shop'])).stdout.trim().split('\n');
    if (files.join() !== 'control.sock,events.jsonl,live.json') throw new Error(`files are left: ${files}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const load of this.#loads) await load[Symbol.asyncDispose]();
    await this.lab.down();
    if (existsSync(this.lab.share)) throw new Error(`the lab left ${readdirSync(this.lab.share)}`);
  }
}
