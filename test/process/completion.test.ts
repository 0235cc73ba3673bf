/** What TAB does, in the shells themselves. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMAND_NAMES } from '../../src/cli/program.js';
import { stampUnit } from '../../src/systemd/unit-stamp.js';
import { batond, MAIN, NODE } from '../support/service/batond.js';
import { Terminal } from '../support/service/terminal.js';

const folder = mkdtempSync(join(tmpdir(), 'batond-completion-'));
const env = {
  PATH: `${join(folder, 'bin')}:${dirname(NODE)}:${process.env.PATH}`,
  HOME: folder,
  XDG_RUNTIME_DIR: join(folder, 'run'),
  XDG_CONFIG_HOME: join(folder, 'config'),
};
/** One service runs, one is installed, one folder is a leftover. */
const running = createServer();

beforeAll(async () => {
  for (const path of ['bin', 'run/batond/shop', 'run/batond/gone', 'config/systemd/user', 'here/releases']) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  symlinkSync(MAIN, join(folder, 'bin/batond'));
  writeFileSync(join(folder, 'here/shop.toml'), '');
  writeFileSync(join(folder, 'run/batond/gone/control.sock'), '');
  writeFileSync(join(folder, 'config/systemd/user/blog.service'), stampUnit('[Service]\n', []));
  writeFileSync(join(folder, 'config/systemd/user/other.service'), '[Service]\n');
  await new Promise<void>((done) => running.listen(join(folder, 'run/batond/shop/control.sock'), done));
  for (const shell of ['bash', 'zsh', 'fish']) writeFileSync(join(folder, shell), (await script(shell)).stdout);
});

afterAll(() => {
  running.close();
  rmSync(folder, { recursive: true });
});

const script = (shell: string) => batond(['completion', shell], env);
/** Where everything is required (.ci/run), a shell that is not there is a failure. */
const where = (shell: string) => {
  const isThere = spawnSync(shell, ['--version']).error === undefined;
  const note = isThere ? '' : ` (skipped: ${shell} is not installed)`;
  return { skip: !isThere && process.env.BATOND_REQUIRE_ALL !== '1', note };
};

/** What is typed up to the cursor, and some of what must be offered, or all of it. */
const OFFERS: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ['batond ', COMMAND_NAMES],
  ['batond re', ['reload', 'report']],
  ['batond help roll', ['rollback']],
  ['batond completion ', ['bash', 'zsh', 'fish']],
  ['batond run --re', ['--ready', '--ready-timeout']],
  ['batond run --ready ', ['listen', 'notify', 'load']],
  ['batond run --log-level w', ['warn']],
  ['batond run --workers ', ['auto']],
  ['batond reload --name ', ['shop', 'blog']],
  ['batond reload --json --no', ['--no-old-after']],
  ['batond check --config s', ['shop.toml']],
  ['batond run s', ['shop.toml']],
  ['batond run --name x -- s', ['shop.toml']],
  ['batond install --user roo', ['root']],
];

/** Nothing that could be anything but wrong there. */
const NEVER: readonly (readonly [line: string, refused: readonly string[]])[] = [
  ['batond reload --name ', ['gone', 'other', 'shop.toml']],
  ['batond run --directory ', ['shop.toml']],
  ['batond run --drain-timeout ', ['shop.toml', 'reload']],
  ['batond reload --', ['--workers']],
  ['batond run --name reload --', ['--no-old-after']],
];

const bash = where('bash');
describe.skipIf(bash.skip)(`bash${bash.note}`, () => {
  /** `COMP_WORDBREAKS` is what divides the words of a line: a "=" stands alone. */
  function offer(line: string): string[] {
    const words = line.split(' ').flatMap((word) => word.split(/(=)/).filter((part, i) => part !== '' || i === 0));
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const commands = `source "$HOME/bash"; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _batond; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const output = execFileSync('bash', ['--norc', '-uc', commands], {
      env,
      cwd: join(folder, 'here'),
      encoding: 'utf8',
    });
    return output.split('\n').filter((word) => word !== '');
  }

  test.each(OFFERS)('offers behind %j what may stand there', (line, offered) => {
    expect(offer(line)).toEqual(expect.arrayContaining([...offered]));
  });

  test.each(NEVER)('and behind %j nothing else', (line, refused) => {
    expect(offer(line).filter((word) => refused.includes(word))).toEqual([]);
  });

  test('an option and its value may be one word', () => {
    expect(offer('batond run --ready=no')).toEqual(['notify']);
    expect(offer('batond run --ready=')).toEqual(['listen', 'notify', 'load']);
  });

  test('is registered for batond, and completes a line', async () => {
    const shell = new Terminal(['bash', '--norc', '-i'], { cwd: join(folder, 'here'), env });
    shell.type('source ~/bash\r');
    shell.type('batond relo\t--name=bl\t--vers');
    await shell.untilSeen(/batond reload --name=blog --vers/);
    shell.type('\x15exit\r');
    await shell.exit;
  });
});

const fish = where('fish');
describe.skipIf(fish.skip)(`fish${fish.note}`, () => {
  function offer(line: string): string[] {
    const commands = `source ~/fish; complete -C '${line}'`;
    const output = execFileSync('fish', ['--no-config', '-c', commands], {
      env,
      cwd: join(folder, 'here'),
      encoding: 'utf8',
    });
    return output.split('\n').map((row) => row.split('\t')[0]!);
  }

  test.each(OFFERS)('offers behind %j what may stand there', (line, offered) => {
    expect(offer(line)).toEqual(expect.arrayContaining([...offered]));
  });

  test.each(NEVER)('and behind %j nothing else', (line, refused) => {
    expect(offer(line).filter((word) => refused.includes(word))).toEqual([]);
  });
});

const zsh = where('zsh');
describe.skipIf(zsh.skip)(`zsh${zsh.note}`, () => {
  /** Its completion lives in the line editor only: so keys are typed, and the screen is looked at. */
  async function started(load: string): Promise<Terminal> {
    const shell = new Terminal(['zsh', '-f', '-i'], { cwd: join(folder, 'here'), env });
    // Nothing that is offered asks first, and a list stands below the line.
    shell.type(`PS1='> '; LISTMAX=1000; setopt no_beep; ${load}; echo is-loaded-$((1+1))\r`);
    await shell.untilSeen('is-loaded-2');
    return shell;
  }
  const sourced = () => started('autoload -Uz compinit && compinit -D -u && source ~/zsh');

  test.each([
    ['batond relo', 'batond reload '],
    ['batond help roll', 'batond help rollback '],
    ['batond reload --name bl', 'batond reload --name blog '],
    ['batond reload --name=bl', 'batond reload --name=blog '],
    ['batond run --log-level w', 'batond run --log-level warn '],
    ['batond check --config s', 'batond check --config shop.toml '],
    ['batond run --directory r', 'batond run --directory releases'],
    ['batond run s', 'batond run shop.toml '],
  ])('completes %j to %j', async (typed, completed) => {
    const shell = await sourced();
    shell.type(`${typed}\t#`);
    await shell.untilSeen(completed.slice(typed.length).trimEnd());
    shell.type('\x15exit\r');
    await shell.exit;
  });

  test('lists every command with what it does, also as a file of fpath', async () => {
    mkdirSync(join(folder, 'functions'), { recursive: true });
    symlinkSync(join(folder, 'zsh'), join(folder, 'functions/_batond'));
    const shell = await started('fpath=(~/functions $fpath); autoload -Uz compinit && compinit -D -u');
    shell.type('batond \t');
    for (const name of COMMAND_NAMES) await shell.untilSeen(new RegExp(`${name} +-- `));
    shell.type('\x15exit\r');
    await shell.exit;
  });
});

test('another shell is a usage error, and so is none', async () => {
  expect(await batond(['completion', 'tcsh'], env)).toMatchObject({ status: 64, stdout: '' });
  const { status, stderr } = await batond(['completion'], env);
  expect({ status, stderr }).toEqual({ status: 64, stderr: 'batond: for which shell? bash, zsh, fish\n' });
});
