/**
 * A service under the host, for tests: started as a user would start it, with release folders to deploy, load to put on
 * it, and an end that leaves nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReloadOutcome, Status } from '../../../src/control/messages.js';
import { type HistoryEntry, readHistory } from '../../../src/inventory/history-file.js';
import { faultEnvironment } from '../faults/faults.js';
import { type LoadHandle, type LoadOptions, startLoadProcess } from '../load/start-load.mjs';
import { batond, type CommandResult, MAIN, NODE, ROOT } from './batond.js';
import { freePort } from './free-port.js';
import { processesNaming } from './processes.js';
import { type App, Releases } from './releases.js';
import { eventually } from './wait.js';

export interface HostedOptions {
  readonly app?: App;
  readonly workers?: number;
  /** More lines of batond.toml. */
  readonly toml?: string | ((port: number) => string);
  /** In place of the entry: what `entry = ...` stands for otherwise. */
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Let its supervisors be made to fall; see ../faults. */
  readonly faults?: boolean;
  /** What starts the host: `unshare ...`, for one. */
  readonly through?: readonly string[];
  /** Start nothing: the folder is what is wanted. */
  readonly idle?: boolean;
  /** Do not wait until it serves. */
  readonly unready?: boolean;
}

export interface ReloadResult extends CommandResult {
  readonly verdict: ReloadOutcome | null;
}

export class HostedService implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'batond-service-'));
  readonly socketPath = join(this.folder, 'app.sock');
  readonly releases = new Releases(join(this.folder, 'srv'));
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  #host: ChildProcess | null = null;
  #exit: Promise<number> = Promise.resolve(0);
  #log = '';
  readonly #loads: LoadHandle[] = [];
  readonly #through: readonly string[];

  private constructor(port: number, { env, faults, through = [] }: HostedOptions) {
    this.port = port;
    this.#through = through;
    this.env = {
      PATH: process.env.PATH,
      NODE_PATH: join(ROOT, 'node_modules'),
      PORT: String(port),
      SOCKET: this.socketPath,
      RUNTIME_DIRECTORY: join(this.folder, 'run'),
      STATE_DIRECTORY: join(this.folder, 'state'),
      ...(faults === true ? faultEnvironment(this.folder) : {}),
      ...env,
    };
  }

  static async start(options: HostedOptions = {}): Promise<HostedService> {
    const service = new HostedService(await freePort(), options);
    try {
      service.configure(options);
      service.deploy(options.app ?? 'answers');
      if (options.idle === true) return service;
      service.run();
      if (options.unready !== true) await service.untilServing();
    } catch (error) {
      // Nobody has it yet who could end it.
      await service[Symbol.asyncDispose]();
      throw error;
    }
    return service;
  }

  /** Writes batond.toml, which stands beside the releases. */
  configure({ workers = 2, toml = '', program = 'entry = "server.js"' }: HostedOptions): void {
    const lines = [
      'name = "shop"',
      program,
      program.startsWith('entry') ? `runtime = "${NODE}"` : '',
      `directory = "${this.releases.current}"`,
      `workers = ${workers}`,
      typeof toml === 'string' ? toml : toml(this.port),
    ];
    this.writeConfig(`${lines.join('\n')}\n`);
  }

  writeConfig(text: string): void {
    writeFileSync(join(this.folder, 'batond.toml'), text);
  }

  deploy(app: App): string {
    return this.releases.deploy(app);
  }

  /** `batond run` in the foreground. */
  run(): void {
    mkdirSync(join(this.folder, 'run'), { recursive: true });
    const [file, ...args] = [...this.#through, NODE, MAIN, 'run', '--config', 'batond.toml'];
    const host = spawn(file!, args, {
      cwd: this.folder,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#host = host;
    for (const stream of [host.stdout, host.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        this.#log += text;
      });
    }
    this.#exit = new Promise((resolve) => {
      host.on('exit', (code, signal) => resolve(code ?? (signal === null ? 0 : -1)));
    });
  }

  get hostPid(): number {
    return this.#host?.pid ?? 0;
  }

  /** Everything that the host, the supervisors and the workers have printed. */
  get log(): string {
    return this.#log;
  }

  /** The exit status of the host, when it has ended. */
  get exit(): Promise<number> {
    return this.#exit;
  }

  signal(name: NodeJS.Signals): void {
    this.#host?.kill(name);
  }

  async untilServing(): Promise<void> {
    await eventually(
      () => this.tryStatus(),
      (status) => status?.state === 'serving',
      { deadlineMs: 30_000, what: () => `it serves; its log:\n${this.#log}` },
    );
  }

  async tryStatus(): Promise<Status | null> {
    const { status, stdout } = await this.batond('status', '--json');
    return status === 0 ? (JSON.parse(stdout) as Status) : null;
  }

  async status(): Promise<Status> {
    const { status, stdout, stderr } = await this.batond('status', '--json');
    if (status !== 0) throw new Error(`status: ${stderr}\n${this.#log}`);
    return JSON.parse(stdout) as Status;
  }

  /** What was run and tried, as it is on disk; the oldest first. */
  history(): HistoryEntry[] {
    return readHistory(join(this.folder, 'state/history.json'));
  }

  /** Waits until the release has a verdict, and returns the last one. */
  async untilJudged(release: string): Promise<HistoryEntry> {
    const history = await eventually(
      () => this.history(),
      (entries) => entries.at(-1)?.release?.directory === this.releases.path(release),
      { deadlineMs: 30_000, what: () => `${release} has a verdict; log:\n${this.#log}` },
    );
    return history.at(-1)!;
  }

  /** The generation that serves. */
  async generation(): Promise<number | undefined> {
    return (await this.status()).generations.find(({ role }) => role === 'incumbent')?.number;
  }

  batond(command: string, ...args: string[]): Promise<CommandResult> {
    return batond([command, '--name', 'shop', ...args], this.env, this.folder);
  }

  /** `env` is what the command has beside the environment of the service. */
  async reload(env: NodeJS.ProcessEnv = {}, ...flags: string[]): Promise<ReloadResult> {
    const result = await batond(['reload', '--name', 'shop', '--json', ...flags], { ...this.env, ...env }, this.folder);
    const lines = result.stdout
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    const last = lines.length === 0 ? null : JSON.parse(lines.at(-1)!);
    return { ...result, verdict: last?.event === 'verdict' ? last : null };
  }

  async load(options: Omit<LoadOptions, 'port'>): Promise<LoadHandle> {
    const target = options.socketPath === undefined ? { port: this.port } : {};
    const load = await startLoadProcess({ ...target, ...options });
    this.#loads.push(load);
    return load;
  }

  /** Kills the supervisor and waits for the next one, which answers. */
  async killSupervisor(): Promise<Status> {
    const { pid } = (await this.status()).supervisor;
    process.kill(pid, 'SIGKILL');
    return this.untilAdopted(pid);
  }

  /** Waits for a supervisor other than that one. */
  async untilAdopted(pid: number): Promise<Status> {
    const status = await eventually(
      () => this.tryStatus(),
      (seen) => seen !== null && seen.supervisor.pid !== pid && seen.state === 'serving',
      { deadlineMs: 20_000, what: () => `another supervisor than ${pid} serves; log:\n${this.#log}` },
    );
    return status!;
  }

  /** Waits until every older generation has gone. */
  async untilDrained(deadlineMs = 15_000): Promise<Status> {
    return eventually(
      () => this.status(),
      (status) => status.generations.length === 1,
      { deadlineMs, what: () => `the old generations are gone; log:\n${this.#log}` },
    );
  }

  /** One host, one supervisor, the workers of one generation, nobody else, and no zombie. */
  async expectNoLeftovers(): Promise<void> {
    const status = await this.untilDrained();
    const expected = 2 + status.generations[0]!.workers.length;
    await eventually(
      () => this.processes(),
      (processes) => processes.length === expected && processes.every(({ state }) => state !== 'Z'),
      { what: () => `${expected} processes and no zombie` },
    );
    const files = readdirSync(join(this.folder, 'run')).sort();
    const known = ['batond.pid', 'host.lock', 'control.sock', 'notify.sock', 'live.json', 'events.jsonl'];
    const extra = files.filter(
      (file) => !known.includes(file) && !/^notify-g\d+s\d+\.sock$|^listener-\d+\.socket$/.test(file),
    );
    if (extra.length > 0) throw new Error(`files left in the runtime directory: ${extra.join(', ')}`);
  }

  processes() {
    return processesNaming(this.folder);
  }

  /** Stops it as Ctrl-C does, and checks that nothing at all is left. */
  async stop(): Promise<number> {
    this.signal('SIGTERM');
    const status = await this.#exit;
    await eventually(
      () => this.processes(),
      (processes) => processes.length === 0,
      { what: () => `no process is left; log:\n${this.#log}` },
    );
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const load of this.#loads) await load[Symbol.asyncDispose]();
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
    await this.#exit;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
