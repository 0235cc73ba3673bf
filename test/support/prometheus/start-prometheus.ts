/** A real Prometheus that scrapes one service, and what it answers. All of it is on the loopback and in a folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../service/free-port.js';
import { eventually } from '../service/wait.js';

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Prometheus implements AsyncDisposable {
  readonly #port: number;
  readonly #folder: string;
  readonly #process: ChildProcess;
  #log = '';

  private constructor(port: number, folder: string) {
    this.#port = port;
    this.#folder = folder;
    const args = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ];
    this.#process = spawn('prometheus', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.on('data', (data) => {
        this.#log += data;
      });
    }
  }

  /** It scrapes that port every `everyMs`. */
  static async start(adminPort: number, everyMs: number): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'batond-prometheus-'));
    const config = {
      // What is scraped may wait for the next supervisor.
      global: { scrape_interval: `${everyMs}ms`, scrape_timeout: `${everyMs}ms` },
      scrape_configs: [{ job_name: 'batond', static_configs: [{ targets: [`127.0.0.1:${adminPort}`] }] }],
    };
    // JSON is YAML.
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const prometheus = new Prometheus(await freePort(), folder);
    try {
      await prometheus.until('up', (series) => series[0]?.value === 1);
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
    return prometheus;
  }

  /** Asks again until the answer is as it should be. */
  async until(query: string, isGood: (series: readonly Series[]) => boolean): Promise<readonly Series[]> {
    return eventually(() => this.query(query).catch((): readonly Series[] => []), isGood, {
      deadlineMs: 30_000,
      what: () => `Prometheus answers ${query} as it should; its log:\n${this.#log}`,
    });
  }

  /** An instant query. */
  async query(query: string): Promise<readonly Series[]> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/api/v1/query?query=${encodeURIComponent(query)}`);
    const { status, error, data } = (await answer.json()) as {
      status: string;
      error?: string;
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    if (status !== 'success') throw new Error(`${query}: ${error}`);
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.pid !== undefined) {
      const exited = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#folder, { recursive: true });
  }
}
