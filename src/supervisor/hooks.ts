/**
 * Runs one hook: a program of the user's at a certain moment of a reload, or when a circuit fires or is over. It is a process of its own session, its output
 * goes to the log line by line, and at its deadline it is killed with its group. Nothing here decides what its failure
 * means.
 */
import { openSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { Descriptor } from '../inventory/descriptor.js';
import type { Log } from '../log.js';
import { native } from '../native.js';
import { describeExit, type Exit, Process } from '../process/process.js';
import { findProgram } from '../release/runtime.js';
import { makeBlocking } from '../systemd/journal-stream.js';

export type HookName = 'pre_reload' | 'post_reload' | 'on_error' | 'run' | 'run_over';

export interface HookRun {
  readonly hook: HookName;
  readonly argv: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface HookResult {
  readonly ok: boolean;
  /** "exited with status 3", for the middle of a sentence. */
  readonly how: string;
  /** Its last lines. */
  readonly output: readonly string[];
}

const KEPT_LINES = 5;
/** A line that is longer is cut, and what comes after so many lines is counted and thrown away. */
const MAX_LINE_CHARS = 4_096;
const MAX_LINES = 10_000;
/** For what the hook has written before it ended; a daemon that it left with its output open is not waited for. */
const LAST_WORDS_MS = 1_000;

/** Never rejects: a hook that cannot be started is one that failed. */
export async function runHook(run: HookRun): Promise<HookResult> {
  const { hook, argv, timeoutMs, log, signal } = run;
  const output = new Output(hook, log);
  const failed = (how: string): HookResult => ({ ok: false, how, output: output.last });
  if (signal.aborted) return failed('was not started any more');
  let started: Started;
  try {
    started = start(run);
  } catch (error) {
    return failed(`could not be started: ${(error as Error).message}`);
  }
  log.info({ event: 'hook', hook, pid: started.process.pid }, `hook ${hook}: ${argv.join(' ')}`);
  let killed: string | null = null;
  const kill = (why: string) => {
    killed ??= why;
    started.process.kill();
  };
  const deadline = setTimeout(() => kill(`was not done within hooks.timeout (${timeoutMs / 1_000} s)`), timeoutMs);
  const onAbort = () => kill(`was ended: ${(signal.reason as Error).message}`);
  signal.addEventListener('abort', onAbort);
  const silent = output.follow(started.output);
  const exit = await started.exited;
  clearTimeout(deadline);
  signal.removeEventListener('abort', onAbort);
  const patience = setTimeout(() => started.output.destroy(), LAST_WORDS_MS);
  await silent;
  clearTimeout(patience);
  if (killed !== null) return failed(killed);
  return { ok: exit.code === 0, how: describeExit(exit), output: output.last };
}

interface Started {
  readonly process: Process;
  readonly exited: Promise<Exit>;
  /** What it writes to its standard output and error. */
  readonly output: Socket;
}

function start({ argv, cwd, env }: HookRun): Started {
  const program = findProgram(argv[0]!, { directory: cwd, path: env.PATH });
  const [ours, theirs] = native().socketpair('stream');
  const mine = new Descriptor(ours);
  using their = new Descriptor(theirs);
  try {
    using nothing = new Descriptor(openSync('/dev/null', 'r'));
    // The flag is of the open file, which programs expect to block.
    makeBlocking(their.fd);
    let onExit: (exit: Exit) => void = () => {};
    const exited = new Promise<Exit>((resolve) => {
      onExit = resolve;
    });
    const spawned = native().spawn({
      file: program,
      argv,
      env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
      cwd,
      fds: [nothing.fd, their.fd, their.fd],
      parent: 'self',
      newSession: true,
      // It acts for what ends with the supervisor, or is begun again by the next.
      deathSignal: constants.signals.SIGKILL,
    });
    const process = new Process(spawned.pid, spawned.pidfd, onExit);
    return { process, exited, output: new Socket({ fd: mine.take(), readable: true, writable: false }) };
  } catch (error) {
    mine.close();
    throw error;
  }
}

class Output {
  readonly last: string[] = [];
  readonly #hook: HookName;
  readonly #log: Log;
  #rest = '';
  #lines = 0;

  constructor(hook: HookName, log: Log) {
    this.#hook = hook;
    this.#log = log;
  }

  /** Resolves when nothing more will come. */
  follow(socket: Socket): Promise<void> {
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => {});
    return new Promise((resolve) => {
      socket.on('close', () => {
        if (this.#rest !== '') this.#line(this.#rest);
        if (this.#lines > MAX_LINES) this.#write(`${this.#lines - MAX_LINES} more lines are not logged`);
        resolve();
      });
    });
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line);
    while (this.#rest.length >= MAX_LINE_CHARS) {
      this.#line(this.#rest.slice(0, MAX_LINE_CHARS));
      this.#rest = this.#rest.slice(MAX_LINE_CHARS);
    }
  }

  #line(text: string): void {
    const line = text.replace(/\r$/, '').slice(0, MAX_LINE_CHARS);
    if (line === '') return;
    this.last.push(line);
    if (this.last.length > KEPT_LINES) this.last.shift();
    if (++this.#lines <= MAX_LINES) this.#write(line);
  }

  #write(line: string): void {
    this.#log.info({ event: 'hook-output', hook: this.#hook }, line);
  }
}
