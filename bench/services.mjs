// The two that are compared: the app by itself, and the same app as a service of `batond run`. Each ends with its
// `stop`, and leaves no process and no file.

import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const main = join(import.meta.dirname, '../dist/main.js');
const app = join(import.meta.dirname, 'app.cjs');
const deadlineMs = 20_000;
/** As often as a person could wish to know, as seldom as not to be what is measured. */
const askEveryMs = 4;

/** What must not outlive the bench, however it ends; each is called at its exit. @type {Set<() => void>} */
const atExit = new Set();
process.on('exit', () => {
  for (const end of atExit) end();
});
for (const [signal, status] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.once(signal, () => process.exit(status));
}

/** The app alone, as `node app.cjs`. */
export async function startBare() {
  const port = await freePort();
  const startedAt = performance.now();
  // In a session of its own, as a worker is: the kernel shares the processor out by sessions, sched(7), and without
  // this the app would be measured as a part of the bench.
  const env = { PATH: process.env.PATH, PORT: String(port) };
  const child = spawn(process.execPath, [app], { env, stdio: 'ignore', detached: true });
  const end = () => child.kill('SIGKILL');
  atExit.add(end);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await untilAnswers(port, 'bare');
  return {
    port,
    pid: child.pid,
    startMs: performance.now() - startedAt,
    async stop() {
      end();
      await ended;
      atExit.delete(end);
    },
  };
}

/** The app as a service. @param {{ workers?: number, env?: Record<string, string> }} [options] */
export async function startService({ workers = 1, env: more = {} } = {}) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'batond-bench-'));
  const config = join(folder, 'batond.toml');
  let release = 0;
  const deploy = () => {
    release += 1;
    const lines = ['name = "bench"', `entry = "${app}"`, `runtime = "${process.execPath}"`, `workers = ${workers}`];
    writeFileSync(config, `${lines.join('\n')}\n[env]\nRELEASE = "r${release}"\nPORT = "${port}"\n`);
    return `r${release}`;
  };
  const env = {
    PATH: process.env.PATH,
    RUNTIME_DIRECTORY: join(folder, 'run'),
    STATE_DIRECTORY: join(folder, 'state'),
    // As under systemd with CacheDirectory=: Node 22 and newer keep what they compiled.
    CACHE_DIRECTORY: join(folder, 'cache'),
    ...more,
  };
  for (const name of ['run', 'state', 'cache']) mkdirSync(join(folder, name));
  const first = deploy();
  let log = '';
  const host = spawn(process.execPath, [main, 'run', '--config', config], { env, cwd: folder });
  for (const stream of [host.stdout, host.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      log += text;
    });
  }
  const ended = new Promise((resolve) => host.once('close', resolve));
  const end = () => {
    host.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  atExit.add(end);
  await untilAnswers(port, first).catch((error) => {
    throw new Error(`${error.message}\n${log}`);
  });
  return {
    port,
    hostPid: host.pid,

    /** Reloads to a new release; the time until a new connection is answered by it, and the steps on the way. */
    async reload() {
      const next = deploy();
      const startedAt = performance.now();
      const child = spawn(process.execPath, [main, 'reload', '--config', config, '--json'], { env, cwd: folder });
      const steps = [];
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = JSON.parse(text);
        const sinceStartMs = performance.now() - startedAt;
        if (line.event === 'step') steps.push({ step: line.step, atMs: line.atMs, sinceStartMs });
      });
      const exited = new Promise((resolve) => child.once('close', resolve));
      let complaint = '';
      child.stderr.setEncoding('utf8').on('data', (text) => {
        complaint += text;
      });
      // A reload that fails must not be waited for.
      const failed = exited.then((status) => {
        if (status !== 0) throw new Error(`the reload failed with status ${status}: ${complaint}\n${log}`);
      });
      await Promise.race([untilAnswers(port, next), failed.then(() => untilAnswers(port, next))]);
      const firstAnswerMs = performance.now() - startedAt;
      await failed;
      return { firstAnswerMs, steps, endMs: performance.now() - startedAt };
    },

    async status() {
      const { stdout } = await run([main, 'status', '--config', config, '--json'], { env, cwd: folder });
      return JSON.parse(stdout);
    },

    /** Waits until the old generations are gone. */
    async untilDrained() {
      for (const end = performance.now() + deadlineMs; performance.now() < end; ) {
        if ((await this.status()).generations.length === 1) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`an old generation is still there after ${deadlineMs} ms\n${log}`);
    },

    async stop() {
      host.kill('SIGTERM');
      const late = setTimeout(() => host.kill('SIGKILL'), deadlineMs);
      await ended;
      clearTimeout(late);
      end();
      atExit.delete(end);
    },
  };
}

/** Asks over a new connection each time until that release has answered. */
async function untilAnswers(port, release) {
  for (const end = performance.now() + deadlineMs; performance.now() < end; ) {
    if ((await ask(port)) === release) return;
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
  throw new Error(`${release} has not answered within ${deadlineMs} ms`);
}

/** The release that answers, or null. */
function ask(port) {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(/\r\n\r\n(\w+)\n/.exec(text)?.[1] ?? null));
  });
}

function run(args, options) {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: deadlineMs, ...options }, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(new Error(stderr || error.message));
    });
  });
}

/** Below the range from which the kernel gives ports out. */
async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const isFree = await new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
