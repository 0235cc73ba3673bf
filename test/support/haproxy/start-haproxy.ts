/** A real HAProxy before a service under test, with an agent check, and what it says of its server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../service/free-port.js';
import { eventually } from '../service/wait.js';
import { HAPROXY_PATH } from './available.mjs';

export interface Seen {
  /** "UP", "DOWN (agent)". */
  readonly status: string;
  readonly weight: number;
  /** How often it was taken out since HAProxy began. */
  readonly downs: number;
  /** "L7OK": what came of the last agent check. */
  readonly agent: string;
}

export class Haproxy implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #process: ChildProcess;
  #log = '';

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
    this.#process = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], {
      env: { PATH: HAPROXY_PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.on('data', (data) => {
        this.#log += data;
      });
    }
  }

  static async start(servicePort: number, agentPort: number): Promise<Haproxy> {
    const folder = mkdtempSync(join(tmpdir(), 'batond-haproxy-'));
    const port = await freePort();
    const agent = `agent-check agent-addr 127.0.0.1 agent-port ${agentPort} agent-inter 200ms`;
    const lines = [
      'global',
      `  stats socket ${join(folder, 'stats.sock')} level admin`,
      'defaults',
      '  mode http',
      '  timeout connect 2s',
      '  timeout client 10s',
      '  timeout server 10s',
      'frontend all',
      `  bind 127.0.0.1:${port}`,
      '  default_backend shop',
      'backend shop',
      `  server one 127.0.0.1:${servicePort} weight 100 check inter 500ms ${agent}`,
    ];
    writeFileSync(join(folder, 'haproxy.cfg'), `${lines.join('\n')}\n`);
    const haproxy = new Haproxy(port, folder);
    try {
      await haproxy.until(({ status, agent: last }) => status.startsWith('UP') && last === 'L7OK');
    } catch (error) {
      await haproxy[Symbol.asyncDispose]();
      throw error;
    }
    return haproxy;
  }

  /** Waits until what it says is as it should be. */
  async until(ok: (seen: Seen) => boolean): Promise<Seen> {
    let last: Seen | null = null;
    const seen = await eventually(
      async () => {
        last = await this.seen().catch(() => null);
        return last;
      },
      (one) => one !== null && ok(one),
      { deadlineMs: 30_000, what: () => `HAProxy sees that; it says ${JSON.stringify(last)}, its log:\n${this.#log}` },
    );
    return seen!;
  }

  async seen(): Promise<Seen> {
    const [head = '', ...rows] = (await this.#ask('show stat')).split('\n');
    const names = head.replace(/^# /, '').split(',');
    const row = rows.map((line) => line.split(',')).find(([backend, server]) => backend === 'shop' && server === 'one');
    const value = (name: string) => row?.[names.indexOf(name)] ?? '';
    return {
      status: value('status'),
      weight: Number(value('weight')),
      downs: Number(value('chkdown')),
      agent: value('agent_status').replace(/^\* /, ''),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.pid !== undefined) {
      const exited = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#folder, { recursive: true });
  }

  #ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const socket = connect(join(this.#folder, 'stats.sock'), () => socket.write(`${command}\n`));
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
  }
}
