/** A host with a small supervisor that keeps descriptors, for what the two say to each other. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { NODE, ROOT } from '../service/batond.js';
import { processesNaming } from '../service/processes.js';
import { eventually } from '../service/wait.js';

/** What a supervisor says when it has started. */
export interface Start {
  readonly pid: number;
  /** The name, then the text of a memfd or the kind of anything else. */
  readonly passed: readonly (readonly [name: string, content: string])[];
  readonly FDSTORE: string | null;
  readonly LISTEN_FDS: string | null;
  readonly LISTEN_FDNAMES: string | null;
}

export type Order =
  | { readonly notify: string; readonly fds?: readonly string[] }
  | { readonly hangUp: string }
  | { readonly halfClose: string }
  | { readonly exitInfo: string }
  | { readonly end: number };

export class HostAlone implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'batond-host-'));
  readonly #host: ChildProcess;
  readonly exit: Promise<number | null>;
  readonly #starts: Start[] = [];
  #log = '';

  private constructor(fdStoreMax: number, watchdogMs: number, env: NodeJS.ProcessEnv) {
    mkdirSync(join(this.folder, 'run'));
    const fixture = join(ROOT, 'test/fixtures/supervisors/keeps-descriptors.py');
    const options = { folder: this.folder, argv: ['/usr/bin/python3', fixture, this.folder], fdStoreMax, watchdogMs };
    this.#host = spawn(NODE, [join(ROOT, 'test/support/host/run-host.mjs'), JSON.stringify(options)], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exit = new Promise((resolve) => this.#host.on('exit', resolve));
    for (const stream of [this.#host.stdout!, this.#host.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.#hear(line));
    }
  }

  static async start({ fdStoreMax = 512, watchdogMs = 30_000, env = {} } = {}): Promise<HostAlone> {
    const host = new HostAlone(fdStoreMax, watchdogMs, env);
    await host.started(1);
    return host;
  }

  get log(): string {
    return this.#log;
  }

  /** Resolves with what the `count`th supervisor has said. */
  async started(count: number): Promise<Start> {
    await eventually(
      () => this.#starts.length,
      (length) => length >= count,
      { what: () => `start ${count}; log:\n${this.#log}` },
    );
    return this.#starts[count - 1]!;
  }

  async said(text: string): Promise<void> {
    await eventually(
      () => this.#log,
      (log) => log.includes(text),
      { what: () => `the log says ${text}` },
    );
  }

  /** Kills the main process, and resolves with what the next one was passed. */
  async crash(): Promise<Start> {
    const count = this.#starts.length;
    process.kill(this.#starts[count - 1]!.pid, 'SIGKILL');
    return this.started(count + 1);
  }

  /** Has the main process do it; when this resolves the host has processed what it was told. */
  tell(order: Order): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socket = connect(join(this.folder, 'orders.sock'));
      socket.on('error', reject);
      socket.on('close', () => resolve(null));
      createInterface({ input: socket }).on('line', (line) => resolve(JSON.parse(line).done));
      socket.write(`${JSON.stringify(order)}\n`);
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#host.kill(name);
  }

  /** How many descriptors the host has open whose link in /proc begins like that. */
  open(kind: '/memfd:kept' | 'socket:'): number {
    const folder = `/proc/${this.#host.pid}/fd`;
    return readdirSync(folder).filter((fd) => linkOf(join(folder, fd)).startsWith(kind)).length;
  }

  processes() {
    return processesNaming(this.folder);
  }

  #hear(line: string): void {
    this.#log += `${line}\n`;
    const said = JSON.parse(line);
    if ('passed' in said) this.#starts.push(said);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
    await this.exit;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
