/** The commands as a user meets them: what they print, where, and how they exit. */
import { execFile, spawn } from 'node:child_process';
import { chmodSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask } from '../support/service/ask.js';
import { batond, type CommandResult, MAIN, NODE } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { Terminal } from '../support/service/terminal.js';
import { eventually } from '../support/service/wait.js';

const asRoot = test.runIf(process.getuid?.() === 0);
const ENV = { PATH: process.env.PATH };
/** Back to the start of the line, and the rest of it cleared. */
const OVER = '\r\x1b[K';
const COMMANDS = ['run', 'reload', 'status', 'logs', 'events', 'stop', 'check', 'install', 'uninstall', 'doctor'];

function run(command: readonly string[], env: NodeJS.ProcessEnv, cwd = '/'): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(command[0]!, command.slice(1), { env, cwd }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe('help', () => {
  test.each(COMMANDS)('batond %s --help has an example and fits into 80 columns', async (command) => {
    const { status, stdout, stderr } = await batond([command, '--help'], ENV);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`Examples?:\\n  batond ${command}`));
    expect(stdout).toContain('--name <name>');
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('batond alone shows it, and names every command', async () => {
    const { status, stdout, stderr } = await batond([], ENV);
    for (const command of COMMANDS) expect(stdout + stderr).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(status).toBe(64);
  });

  test.each([
    [['relaod'], /unknown command 'relaod'[\s\S]*Did you mean reload\?[\s\S]*batond --help/],
    [['status', '--jsno'], /unknown option '--jsno'[\s\S]*Did you mean --json\?[\s\S]*batond status --help/],
    [['status', '--name'], /option '--name <name>' argument missing/],
    [['run', 'server.js', '--log-file', 'x.log'], /--log-file goes with --detach/],
  ])('%j is a usage error', async (args, says) => {
    const { status, stdout, stderr } = await batond(args, ENV);
    expect(stderr).toMatch(says);
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
  });

  test('another system than Linux is told so', async () => {
    const other = `data:text/javascript,Object.defineProperty(process,'platform',{value:'darwin'})`;
    const { status, stderr } = await run([NODE, '--import', other, MAIN, 'status'], ENV);
    expect(stderr).toBe('batond: batond runs on Linux only; this is darwin\n');
    expect(status).toBe(69);
  });
});

describe('status', () => {
  test('shows a person everything within 80 columns, also the reason of a failed reload', async () => {
    await using service = await HostedService.start();
    service.deploy('throws-at-import');
    await service.reload();
    const { status, stdout } = await service.batond('status');
    expect(status).toBe(0);
    const lines = stdout.split('\n');
    const wide = lines.filter((line) => line.length > 80 && !/ release +r1@1\.0\.0 {2}\//.test(line));
    expect(wide).toEqual([]);
    expect(stdout).toMatch(
      /^shop: serving\n {2}Generation 1 \(r1@1\.0\.0\) serves on \S+ with 2 workers\. Last reload/,
    );
    expect(stdout.replace(/\s+/g, ' ')).toContain('Error: the database has no such table');
    expect(stdout).toMatch(/^ {2}supervisor {3}pid \d+, batond \d+\.\d+\.\d+, for /m);
    expect(stdout).toMatch(/^ {5}0 +\d+ {2}open +[\d.]+ m?s +\d+ MB +0 +\d+ +\d+$/m);
    expect(stdout).toMatch(/^ {2}last reload {2}failed [\d.]+ m?s ago, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, took /m);
    expect(stdout).toMatch(/^ {15}CANDIDATE_EXITED$/m);
  });

  test('is JSON for programs', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const { stdout } = await service.batond('status', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      name: 'shop',
      state: 'serving',
      generations: [{ number: 1 }],
    });
  });

  test('ends well when nobody reads it to its end', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const line = `{ '${NODE}' '${MAIN}' status --name shop; echo "exit $?" >&2; } | true`;
    expect((await run(['sh', '-c', line], service.env)).stderr).toBe('exit 0\n');
  });
});

describe('which service', () => {
  test('is named by the batond.toml here, whatever else is in it', async () => {
    await using service = await HostedService.start({ workers: 1 });
    for (const text of ['name = "shop"\n', 'name = "shop"\nworkers = "many"\nentry = 3\n']) {
      service.writeConfig(text);
      const { status, stdout, stderr } = await batond(['status'], service.env, service.folder);
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expect(stdout).toMatch(/^shop: serving/);
    }
    service.writeConfig('name = = "shop"\n');
    const { status, stderr } = await batond(['status'], service.env, service.folder);
    expect(stderr).toMatch(/^batond: batond\.toml:1:/);
    expect(status).toBe(78);
  });

  asRoot('is the only one that runs, else has to be named', async () => {
    // With a /run of its own, where the services of this machine are not.
    const through = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /run && exec "$0" "$@"'];
    const env = { RUNTIME_DIRECTORY: '', XDG_RUNTIME_DIR: '/nowhere' };
    await using service = await HostedService.start({ workers: 1, through, env, unready: true });
    const inside = (...args: string[]) =>
      run(['nsenter', `--mount=/proc/${service.hostPid}/ns/mnt`, NODE, MAIN, ...args], service.env);
    const seen = await eventually(
      () => inside('status'),
      ({ stdout }) => stdout.startsWith('shop: serving'),
      { what: () => `it is found; log:\n${service.log}` },
    );
    expect(seen.stderr).toBe('');
    expect((await inside('stop')).stdout).toBe('shop has stopped\n');
    expect(await service.exit).toBe(0);
  });

  test('that does not run is said, with the socket where it was looked for', async () => {
    await using service = await HostedService.start({ idle: true });
    for (const command of ['status', 'reload', 'stop']) {
      const { status, stderr } = await service.batond(command);
      expect(stderr).toBe(`batond: shop is not running: nothing answers on ${service.folder}/run/control.sock\n`);
      expect(status).toBe(69);
    }
  });

  asRoot('of another user is not to be spoken to', async () => {
    await using service = await HostedService.start({ workers: 1 });
    chmodSync(service.folder, 0o755);
    const nobody = ['setpriv', '--reuid=65534', '--clear-groups', NODE, MAIN];
    for (const command of ['status', 'reload', 'stop']) {
      const { status, stderr } = await run([...nobody, command, '--name', 'shop'], service.env);
      expect(stderr).toContain(`who may not connect to ${service.folder}/run/control.sock: ask as root`);
      expect(status).toBe(77);
    }
  });
});

describe('check', () => {
  test('shows what would be run, and as JSON', async () => {
    await using service = await HostedService.start({ idle: true });
    const text = await batond(['check'], service.env, service.folder);
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(text.stdout).toMatch(/^workers +2 +batond\.toml:5$/m);
    expect(text.stdout).toContain(`would run r1@1.0.0: ${NODE} ${service.folder}/srv/r1/server.js\n`);
    const { stdout } = await batond(['check', '--json', '--workers', '3'], service.env, service.folder);
    expect(JSON.parse(stdout)).toMatchObject({
      config: { name: 'shop', workers: 3 },
      origins: { workers: '--workers' },
      release: { label: 'r1@1.0.0', argv: [NODE, `${service.folder}/srv/r1/server.js`] },
    });
  });

  test('names every problem at once', async () => {
    await using service = await HostedService.start({ idle: true });
    service.writeConfig('name = "Shop!"\nworkers = "many"\nworker = 3\nentry = "server.js"\n');
    const { status, stdout, stderr } = await batond(['check'], service.env, service.folder);
    expect(stderr.match(/batond\.toml:\d+: \w+/g)).toEqual([
      'batond.toml:1: name',
      'batond.toml:2: workers',
      'batond.toml:3: worker',
    ]);
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
  });
});

test('logs says where the output is of a service without systemd', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const { status, stdout, stderr } = await service.batond('logs');
  expect(stderr).toBe(
    'batond: there is no journal of shop: it runs without systemd, and what it says goes to a pipe of whoever started it ' +
      '(in a container: docker logs)\n',
  );
  expect({ status, stdout }).toEqual({ status: 69, stdout: '' });
});

test('stop waits until what is in flight is finished and everything is gone', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const slow = await ask(service.port, '/slow?ms=1000&chunks=5');
  const { status, stdout } = await service.batond('stop');
  expect(service.processes()).toEqual([]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'shop has stopped\n' });
  expect(await slow.body).toContain('chunk 4 of 5');
  expect(await service.exit).toBe(0);
});

describe('reload', () => {
  test('prints each step to a pipe, and the verdict: to stderr when it failed', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const done = await service.batond('reload');
    expect(done).toMatchObject({ status: 0, stderr: '' });
    expect(done.stdout.split('\n').map((line) => line.replace(/^ +\d+\.\d\d s {2}/, ''))).toEqual([
      'starting the next supervisor',
      'starting 1 worker of r1@1.0.0',
      'asking the worker for proof',
      'generation 2 begins to accept',
      'generation 2 serves',
      'done: generation 2 (r1@1.0.0) serves',
      '',
    ]);
    service.deploy('exits-at-once');
    const failed = await service.batond('reload');
    expect(failed.status).toBe(1);
    expect(failed.stderr).toMatch(
      /^ +\d+\.\d\d s {2}failed: .* exited with status 3 .*; generation 2 keeps serving\n$/,
    );
    expect(failed.stdout).toMatch(/taking it back\n$/);
  });

  test('shows one live line at a terminal, and leaves the verdict there', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const { env, folder: cwd } = service;
    const terminal = new Terminal([NODE, MAIN, 'reload', '--name', 'shop'], { cwd, env });
    expect(await terminal.exit).toBe(0);
    expect(terminal.screen.split(OVER).length).toBeGreaterThan(6);
    expect(terminal.screen.split('\r\n')).toHaveLength(2);
    expect(terminal.screen.split(OVER).at(-1)).toMatch(
      /^ +\d+\.\d\d s {2}done: generation 2 \(r1@1\.0\.0\) serves\r\n$/,
    );
  });

  test('leaves the prompt a line of its own when it is ended by Ctrl-C, and is taken back', async () => {
    await using service = await HostedService.start({ workers: 1 });
    service.deploy('never-listens');
    const { env, folder: cwd } = service;
    const terminal = new Terminal([NODE, MAIN, 'reload', '--name', 'shop'], { cwd, env });
    await terminal.untilSeen('starting 1 worker');
    terminal.type('\x03');
    expect(await terminal.exit).toBe(130);
    expect(terminal.screen.split(OVER).at(-1)).toBe('taken back: what served before serves on\r\n');
    await service.untilServing();
    expect((await service.status()).lastReload).toMatchObject({ ok: false, code: 'CLIENT_GONE', generation: 1 });
  });

  test('prints the verdict alone where the journal has the steps from the supervisor', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const file = join(service.folder, 'journal');
    const fd = openSync(file, 'a');
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const env = { ...service.env, JOURNAL_STREAM: `${dev}:${ino}` };
    const child = spawn(NODE, [MAIN, 'reload', '--name', 'shop'], { env, stdio: ['ignore', fd, fd] });
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(/^ +\d+\.\d\d s {2}done: generation 2 \(r1@1\.0\.0\) serves\n$/);
  });

  test('prints lines of JSON for programs', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const { stdout } = await service.batond('reload', '--json');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ event, step }) => step ?? event)).toEqual([
      'takeover',
      'boot',
      'probe',
      'switch',
      'commit',
      'verdict',
    ]);
    expect(lines.at(-1)).toMatchObject({ ok: true, code: null, exitStatus: 0, generation: 2 });
  });

  test('has all been printed when it ends, however late it is read', async () => {
    // A reader that begins when the command has ended, or has not within a second; of the smallest pipe that there is.
    const late = `
import fcntl, os, subprocess, sys
r, w = os.pipe()
fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
p = subprocess.Popen(sys.argv[1:], stdout=w)
os.close(w)
try: p.wait(1)
except subprocess.TimeoutExpired: pass
sys.stdout.write(os.fdopen(r).read())
`;
    const command = [NODE, MAIN, 'check', '--schema'];
    const whole = await run(command, process.env);
    expect(whole.stdout.length).toBeGreaterThan(4_096);
    expect(await run(['python3', '-c', late, ...command], process.env)).toEqual(whole);
  });

  test('goes on when nobody reads what it prints', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const line = `{ '${NODE}' '${MAIN}' reload --name shop; echo "exit $?" >&2; } | true`;
    expect((await run(['sh', '-c', line], service.env)).stderr).toBe('exit 0\n');
    expect(await service.generation()).toBe(2);
  });
});
