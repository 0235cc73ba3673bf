/**
 * A supervisor for one worker: owns the listeners, speaks the protocol, and keeps a log that every missed deadline
 * prints. The worker runs on TEST_NODE, so that one test serves every runtime.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { join, resolve } from 'node:path';
import {
  CHANNEL_VERSION,
  type FromWorker,
  type Idle,
  type ListenAddress,
  MAX_PACKET_BYTES,
  type ReadyBy,
  type ToWorker,
  WORKER_ENVIRONMENT,
  type WorkerStart,
} from '../../src/channel/messages.ts';
import { type Fd, native, type Watcher } from '../../src/native.ts';
import { DIST, ROOT } from '../support/service/batond.ts';

export const NODE = process.env.TEST_NODE ?? process.execPath;
export const APPS = join(ROOT, 'test/fixtures/apps');
export const DEADLINE_MS = 10_000;

export interface WorkerOptions {
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly ready?: ReadyBy;
  readonly uid?: number;
  /** Opens the gate as soon as something listens. */
  readonly opens?: boolean;
  /** Answers every `listen` with this instead of a listener. */
  readonly refuses?: string;
  /** The first `listen` is read and not answered: as by a supervisor that dies in between. */
  readonly diesAtListen?: boolean;
}

/** Listeners outlive workers, as the real supervisor's do. */
export class Listeners {
  readonly #fds = new Map<string, { fd: Fd; address: ListenAddress }>();

  give(address: ListenAddress, backlog: number): { name: string; fd: Fd } {
    const name = JSON.stringify(address);
    let listener = this.#fds.get(name);
    if (listener === undefined) {
      listener = { fd: bind(address, backlog), address };
      this.#fds.set(name, listener);
    }
    return { name, fd: listener.fd };
  }

  get names(): string[] {
    return [...this.#fds.keys()];
  }

  /** The port of the n-th listener. */
  port(index = 0): number {
    const name = native().socketName([...this.#fds.values()][index]!.fd);
    if (name.family === 'unix') throw new Error('a Unix socket has no port');
    return name.port;
  }

  close(name: string): void {
    const listener = this.#fds.get(name);
    if (listener === undefined) return;
    this.#fds.delete(name);
    native().close(listener.fd);
    const { address } = listener;
    if (address.kind === 'unix' && !address.path.startsWith('\0')) rmSync(address.path, { force: true });
  }

  [Symbol.dispose](): void {
    for (const name of this.names) this.close(name);
  }
}

function bind(address: ListenAddress, backlog: number): Fd {
  if (address.kind === 'udp') {
    const { host, port, ipv6Only, reuseAddress } = address;
    const family = net.isIPv4(host) ? 'ipv4' : 'ipv6';
    return native().bind({
      type: 'dgram',
      reuseAddress,
      reusePort: false,
      ipv6Only,
      address: { family, address: host, port },
    });
  }
  const options = { type: 'stream', reuseAddress: true, reusePort: false, ipv6Only: false } as const;
  const fd =
    address.kind === 'unix'
      ? native().bind({ ...options, address: { family: 'unix', path: address.path } })
      : native().bind({
          ...options,
          reusePort: address.reusePort,
          ipv6Only: address.ipv6Only,
          address: {
            family: net.isIPv4(address.host ?? '::') ? 'ipv4' : 'ipv6',
            address: address.host ?? '::',
            port: address.port,
          },
        });
  try {
    native().listen(fd, backlog);
  } catch (error) {
    native().close(fd);
    throw error;
  }
  return fd;
}

type OfType<T extends FromWorker['type']> = Extract<FromWorker, { type: T }>;

export class FakeWorker {
  readonly listeners: Listeners;
  readonly process: ChildProcess;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  readonly log: string[] = [];
  /** What came beside messages, in their order. */
  readonly files: Fd[] = [];
  stdout = '';
  readonly #options: WorkerOptions;
  readonly #received: FromWorker[] = [];
  readonly #changed = new Set<() => void>();
  #channel: Fd | null;
  #watcher: Watcher | null;
  #lastId = 100;
  #dead = false;

  constructor(app: string, options: WorkerOptions, listeners: Listeners) {
    this.#options = options;
    this.listeners = listeners;
    const [ours, theirs] = native().socketpair('seqpacket');
    this.#channel = ours;
    const start: WorkerStart = {
      version: CHANNEL_VERSION,
      fd: 3,
      ready: options.ready ?? 'listen',
      generation: 1,
      slot: 0,
      datagramsAreEnough: true,
    };
    const args = [
      ...(options.nodeArgs ?? []),
      '--import',
      join(DIST, 'worker/preload.js'),
      resolve(APPS, app),
      ...(options.args ?? []),
    ];
    this.process = spawn(NODE, args, {
      stdio: ['pipe', 'pipe', 'pipe', theirs],
      env: { ...bareEnvironment(), [WORKER_ENVIRONMENT]: JSON.stringify(start) },
      ...(options.uid !== undefined && { uid: options.uid, gid: options.uid }),
    });
    native().close(theirs);
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#note(`out ${text.trimEnd()}`);
    });
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => this.#note(`err ${text.trimEnd()}`));
    this.exited = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        this.#note(`exit ${code} ${signal}`);
        resolve({ code, signal });
      });
    });
    this.#watcher = native().watch(ours, { readable: true, writable: false }, () => this.#read());
  }

  send(message: ToWorker, fds: Fd[] = []): void {
    this.#note(`--> ${JSON.stringify(message)}`);
    native().send(this.#channel!, Buffer.from(JSON.stringify(message)), { fds });
  }

  /** Waits for a message of this type, taking it; earlier ones of other types stay. */
  next<T extends FromWorker['type']>(type: T): Promise<OfType<T>> {
    return this.until(`message ${type}`, () => {
      const index = this.#received.findIndex((message) => message.type === type);
      return index < 0 ? null : (this.#received.splice(index, 1)[0] as OfType<T>);
    });
  }

  /** What has come of this type and was not taken yet. */
  untaken(type: FromWorker['type']): FromWorker[] {
    return this.#received.filter((message) => message.type === type);
  }

  async open(): Promise<void> {
    this.send({ type: 'open', id: ++this.#lastId });
    await this.next('opened');
  }

  async pause(): Promise<void> {
    this.send({ type: 'pause', id: ++this.#lastId });
    await this.next('paused');
  }

  drain(idle: Idle = 'wait', timeoutMs = 30_000): Promise<OfType<'drained'>> {
    this.send({ type: 'drain', id: ++this.#lastId, idle, timeoutMs });
    return this.next('drained');
  }

  async measure({ delay = false, scraped = false } = {}): Promise<OfType<'measures'>> {
    this.send({ type: 'measure', id: ++this.#lastId, delay, scraped });
    return this.next('measures');
  }

  /** Another supervisor is there, and asks where it stands. */
  attend(): Promise<OfType<'standing'>> {
    this.#dead = false;
    this.send({ type: 'attend', id: ++this.#lastId });
    return this.next('standing');
  }

  /** All that was sent before has been handled when this returns: the channel keeps its order. */
  async ping(): Promise<void> {
    this.send({ type: 'ping', id: ++this.#lastId });
    await this.next('pong');
  }

  /** A direct channel between the two. */
  link(other: FakeWorker): void {
    const [ours, theirs] = native().socketpair('seqpacket');
    this.send({ type: 'link', peer: `pid ${other.process.pid}` }, [ours]);
    other.send({ type: 'link', peer: `pid ${this.process.pid}` }, [theirs]);
    native().close(ours);
    native().close(theirs);
  }

  /** A link whose other end the test has. */
  linkToTest(): Fd {
    const [ours, theirs] = native().socketpair('seqpacket');
    this.send({ type: 'link', peer: 'test' }, [theirs]);
    native().close(theirs);
    return ours;
  }

  /** The end of a connection whose other end the worker gets. */
  inject(): net.Socket {
    const [ours, theirs] = native().socketpair('stream');
    this.send({ type: 'inject', id: ++this.#lastId }, [theirs]);
    native().close(theirs);
    return new net.Socket({ fd: ours });
  }

  said(text: string): Promise<true> {
    return this.until(`output ${text}`, () => this.stdout.includes(text) || null);
  }

  /** The supervisor is gone for good. */
  closeChannel(): void {
    this.#watcher?.close();
    this.#watcher = null;
    if (this.#channel !== null) native().close(this.#channel);
    this.#channel = null;
  }

  exit(): Promise<{ code: number | null; signal: string | null }> {
    return this.until('exit', () => null, this.exited);
  }

  until<T>(what: string, look: () => T | null, or?: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#changed.delete(check);
      };
      const check = () => {
        const found = look();
        if (found === null) return;
        end();
        resolve(found);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`no ${what} within ${DEADLINE_MS} ms\n${this.log.join('\n')}`));
      }, DEADLINE_MS);
      this.#changed.add(check);
      or?.then((value) => {
        end();
        resolve(value);
      });
      check();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
    this.closeChannel();
    for (const file of this.files.splice(0)) native().close(file);
    this.listeners[Symbol.dispose]();
  }

  #read(): void {
    while (this.#channel !== null) {
      let received: ReturnType<ReturnType<typeof native>['receive']>;
      try {
        received = native().receive(this.#channel, MAX_PACKET_BYTES, 4);
      } catch {
        received = { data: Buffer.alloc(0), fds: [], credentials: null, truncated: false, fdsTruncated: false };
      }
      if (received === null) return;
      if (received.data.length === 0) {
        this.closeChannel();
        return;
      }
      const message = JSON.parse(received.data.toString()) as FromWorker;
      this.files.push(...received.fds);
      this.#received.push(message);
      this.#answer(message);
      this.#note(`<-- ${JSON.stringify(message)}`);
    }
  }

  #answer(message: FromWorker): void {
    if (message.type === 'unlisten') this.listeners.close(message.name);
    if (message.type === 'listening' && this.#options.opens) this.send({ type: 'open', id: ++this.#lastId });
    if (message.type !== 'listen' || this.#dead) return;
    if (this.#options.diesAtListen === true && this.untaken('listen').length === 1) {
      this.#dead = true;
      return;
    }
    try {
      if (this.#options.refuses) throw Object.assign(new Error('refused'), { code: this.#options.refuses });
      const { name, fd } = this.listeners.give(message.address, message.backlog);
      this.send({ type: 'listener', id: message.id, name }, [fd]);
    } catch (error) {
      this.send({ type: 'refused', id: message.id, code: (error as { code?: string }).code ?? 'EINVAL' });
    }
  }

  #note(line: string): void {
    this.log.push(line);
    for (const check of [...this.#changed]) check();
  }
}

export function startWorker(app: string, options: WorkerOptions = {}, listeners = new Listeners()): FakeWorker {
  return new FakeWorker(app, options, listeners);
}

/** Ready and accepting. */
export async function startServing(app: string, options: WorkerOptions = {}): Promise<FakeWorker> {
  const worker = startWorker(app, options);
  await worker.next('ready');
  await worker.open();
  return worker;
}

export interface Run {
  readonly output: string[];
  readonly errors: string;
  readonly code: number | null;
}

/** Runs the app without the preload to its end. */
export async function runBare(app: string, args: readonly string[], uid?: number): Promise<Run> {
  const child = spawn(NODE, [resolve(APPS, app), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: bareEnvironment(),
    ...(uid !== undefined && { uid, gid: uid }),
  });
  let stdout = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { output: stdout.trimEnd().split('\n'), errors, code };
}

/** Runs the app as a worker to its end. */
export async function runAsWorker(app: string, options: WorkerOptions): Promise<Run> {
  await using worker = startWorker(app, options);
  worker.process.stdin!.end();
  const { code } = await worker.exit();
  return { output: worker.stdout.trimEnd().split('\n'), errors: worker.log.join('\n'), code };
}

/** Without what vitest puts there for its own processes. */
function bareEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, VITEST: _vitest, NODE_ENV: _mode, ...environment } = process.env;
  return environment;
}
