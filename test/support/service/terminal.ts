/** A command at a terminal of its own, script(1), with keys to type and what is seen on the screen. */
import { spawn } from 'node:child_process';
import { eventually } from './wait.js';

export class Terminal {
  readonly #script;
  readonly exit: Promise<number>;
  #screen = '';

  constructor(command: readonly string[], { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }) {
    const line = `stty cols 80; exec ${command.map((word) => `'${word}'`).join(' ')}`;
    this.#script = spawn('script', ['-qfec', line, '/dev/null'], {
      cwd,
      env: { TERM: 'xterm', SHELL: '/bin/sh', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#script.stdout.setEncoding('utf8');
    this.#script.stdout.on('data', (text: string) => {
      this.#screen += text;
    });
    this.exit = new Promise((resolve) => this.#script.on('close', (code) => resolve(code ?? -1)));
  }

  get screen(): string {
    return this.#screen;
  }

  type(keys: string): void {
    this.#script.stdin.write(keys);
  }

  untilSeen(text: string | RegExp): Promise<string> {
    return eventually(
      () => this.#screen,
      (screen) => screen.search(text) !== -1,
      { what: () => `${text} is on the screen` },
    );
  }
}
