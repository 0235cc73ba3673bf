/** Release folders r1, r2, ... of fixture apps, and the symlink `current` that a deploy moves by rename. */
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FIXTURES = fileURLToPath(new URL('../../fixtures/releases/', import.meta.url));

export type App =
  | 'answers'
  | 'answers-express'
  | 'answers-fastify'
  | 'answers-http2'
  | 'answers-tls'
  | 'answers-udp'
  | 'answers-unix'
  | 'answers-unix-plain'
  | 'echoes-ws'
  | 'serves-page'
  | 'exits-at-once'
  | 'never-listens'
  | 'throws-at-import'
  | 'listens-on-a-taken-port'
  | 'dies-after-ready'
  | 'ignores-sigterm'
  | 'holds-on'
  | 'keeps-state'
  | 'passes-state'
  | 'refuses-state'
  | 'hangs-on-state'
  | 'is-unhealthy'
  | 'starts-a-daemon'
  | 'has-a-helper'
  | 'dies-when-told'
  | 'ends-as-told'
  | 'fails-one-in-fifty'
  | 'blocks-its-loop'
  | 'leaks-memory'
  | 'dies-in-five-seconds'
  | 'outsider-says-ready'
  | 'tells-health'
  | 'writes-lines'
  | 'logs-with-pino'
  | 'speaks-sd-notify';

const PYTHON: ReadonlySet<App> = new Set(['speaks-sd-notify', 'outsider-says-ready']);

export class Releases {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  get current(): string {
    return join(this.#folder, 'current');
  }

  /** The folder of a release. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Makes the next release and lets `current` point to it; returns its name. */
  deploy(app: App): string {
    const name = this.make(app);
    this.pointTo(name);
    return name;
  }

  /** Makes the next release, to which nothing points yet; returns its name. */
  make(app: App): string {
    const name = `r${++this.#count}`;
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'shop', version: `${this.#count}.0.0` }));
    if (PYTHON.has(app)) copyFileSync(join(FIXTURES, `${app}.py`), join(folder, 'server.py'));
    else {
      copyFileSync(join(FIXTURES, 'answers.js'), join(folder, 'answers.js'));
      copyFileSync(join(FIXTURES, `${app}.js`), join(folder, 'server.js'));
    }
    return name;
  }

  pointTo(name: string): void {
    const next = `${this.current}.next`;
    symlinkSync(name, next);
    renameSync(next, this.current);
  }
}
