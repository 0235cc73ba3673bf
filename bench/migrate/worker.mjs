// A worker as the supervisor would start it, as far as the benchmark needs one.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const dist = new URL('../../dist/', import.meta.url);
const { native } = await import(new URL('native.js', dist).href);
const preload = new URL('worker/preload.js', dist).href;
const app = fileURLToPath(new URL('app.mjs', import.meta.url));

export class Worker {
  #fd;
  #watcher;
  #listener;
  #lastId = 0;
  /** @type {Map<string, (message: any) => void>} */
  #waiting = new Map();

  /** @param {number} listener a listening socket, lent */
  constructor(listener) {
    this.#listener = listener;
    const [ours, theirs] = native().socketpair('seqpacket');
    this.#fd = ours;
    const start = { version: 1, fd: 3, ready: 'listen', generation: 1, slot: 0 };
    this.process = spawn(process.execPath, ['--import', preload, app], {
      stdio: ['ignore', 'inherit', 'inherit', theirs],
      env: { ...process.env, BATOND_WORKER: JSON.stringify(start) },
    });
    native().close(theirs);
    this.#watcher = native().watch(ours, { readable: true, writable: false }, () => this.#read());
    this.ready = this.next('ready');
  }

  /** @param {object} message @param {number[]} fds */
  send(message, fds = []) {
    native().send(this.#fd, Buffer.from(JSON.stringify({ id: ++this.#lastId, ...message })), { fds });
  }

  /** @param {string} type @returns {Promise<any>} */
  next(type) {
    return new Promise((resolve) => this.#waiting.set(type, resolve));
  }

  /** @param {object} message @param {string} answer */
  ask(message, answer) {
    this.send(message);
    return this.next(answer);
  }

  /** @param {Worker} other */
  link(other) {
    const ends = native().socketpair('seqpacket');
    this.send({ type: 'link', peer: 'receiver' }, [ends[0]]);
    other.send({ type: 'link', peer: 'sender' }, [ends[1]]);
    for (const end of ends) native().close(end);
  }

  async end() {
    const exited = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await exited;
    this.#watcher.close();
    native().close(this.#fd);
  }

  #read() {
    for (let received = native().receive(this.#fd, 65_536, 4); received !== null; ) {
      if (received.data.length === 0) return this.#watcher.close();
      const message = JSON.parse(received.data.toString());
      if (message.type === 'listen') this.send({ type: 'listener', id: message.id, name: 'bench' }, [this.#listener]);
      const settle = this.#waiting.get(message.type);
      this.#waiting.delete(message.type);
      settle?.(message);
      received = native().receive(this.#fd, 65_536, 4);
    }
  }
}

/** A listening socket of the loopback, and its port. */
export function listen() {
  const address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
  const fd = native().bind({ type: 'stream', address, reuseAddress: true, reusePort: false, ipv6Only: false });
  native().listen(fd, 4_096);
  return { fd, port: native().socketName(fd).port };
}
