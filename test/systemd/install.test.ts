// `batond install` and `batond uninstall` under a real systemd: the service runs as it was asked for, and afterwards the
// machine is as it was.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { INSTALLED_RUNS } from '../support/json/runs.js';
import { outputComplaint } from '../support/json/schemas.js';
import { type ExecOptions, type ExecResult, type Lab, labAvailable, startLab } from '../support/lab/start-lab.mjs';
import { DIST } from '../support/service/batond.js';

const available = labAvailable();
const trixie = '/var/cache/batond-lab/trixie';
const roots = existsSync(trixie) ? ['/', trixie] : ['/'];

/** Says what it was given, on the port of its first argument. */
const APP = `
  const [port, ...args] = process.argv.slice(2);
  require('node:http').createServer((request, response) => {
    response.end(JSON.stringify({ args, extra: process.env.EXTRA, uid: process.getuid() }));
  }).listen(Number(port), '127.0.0.1');
`;

describe.skipIf(!available.ok).each(roots)(
  `install in the lab of %s${available.ok ? '' : ` (skipped: ${available.why})`}`,
  (root) => {
    let lab: Lab;
    let app: string;
    let port: number;
    // One lab for all: each test leaves it as it found it, which is what is tested.
    beforeAll(async () => {
      lab = await startLab({ root });
      mkdirSync(join(lab.share, 'app'));
      app = join(lab.share, 'app/server.js');
      // As npm does it: the command is a link to the main file.
      await lab.exec(['ln', '-s', join(DIST, 'main.js'), '/usr/local/bin/batond']);
      await lab.exec(['useradd', '--system', 'shop']);
    });
    afterAll(() => lab?.down());
    beforeEach(async () => {
      writeFileSync(app, APP);
      port = await freePort();
    });

    const batond = (args: readonly string[], how: ExecOptions = {}) =>
      lab.exec([process.execPath, '/usr/local/bin/batond', ...args], {
        check: false,
        cwd: join(lab.share, 'app'),
        ...how,
      });
    const show = async (property: string) =>
      (await lab.exec(['systemctl', 'show', '--value', '--property', property, 'shop.service'])).stdout.trim();

    /** Everything that install could leave: names, kinds, targets of links and contents. */
    async function tree(): Promise<string> {
      const script = `
        find /etc /run/batond /var/lib/batond /var/cache/batond /usr/local/lib /home -printf '%p %y %m %l\\n' 2>/dev/null | sort
        find /etc/systemd -type f -exec sha256sum {} + | sort`;
      return (await lab.exec(['sh', '-c', script])).stdout;
    }

    test('runs what it was told, as whom it was told, and takes everything back', async () => {
      const before = await tree();
      const odd = ['a b', '$HOME', '%n', ';', '', 'ü', '"\\\'', '--flag'];
      const installed = await batond([
        ...['install', 'server.js', '--name', 'shop', '--user', 'shop', '--workers', '2', '--now'],
        ...['--env', 'EXTRA=50% of $x "q" \\', '--', `${port}`, ...odd],
      ]);
      expect(installed).toMatchObject({ status: 0, stderr: '' });
      expect(await answer(port)).toMatchObject({ args: odd, extra: '50% of $x "q" \\' });
      expect((await answer(port)).uid).not.toBe(0);
      expect(await show('ActiveState')).toBe('active');
      expect(await show('UnitFileState')).toBe('enabled');
      expect(await show('StatusText')).toContain('serves');
      expect(await show('ExecStart')).toContain('/usr/local/bin/batond run');
      // Without log lines of systemd about directives that it does not know or cannot have.
      const { stdout: complaints } = await lab.exec(['journalctl', '-p', 'warning', '-o', 'cat', '-u', 'shop']);
      expect(complaints).toBe('');

      await lab.exec(['systemctl', 'reload', 'shop']);
      expect(await answer(port)).toMatchObject({ args: odd });
      // What journalctl says of the entry that the reload ended with, with its fields filled in.
      const { stdout: explained } = await lab.exec(['journalctl', '-x', '-u', 'shop', 'BATOND_EVENT=verdict']);
      expect(explained).toContain('Subject: A reload is done');
      expect(explained).toContain('Generation 2 serves.');

      const removed = await batond(['uninstall', '--name', 'shop']);
      expect(removed).toMatchObject({ status: 0, stderr: '' });
      expect(removed.stdout).toContain('removed /etc/systemd/system/shop.service\n');
      expect(removed.stdout).toContain('removed /usr/local/lib/systemd/catalog/batond.catalog\n');
      expect((await lab.exec(['journalctl', '--list-catalog'])).stdout).not.toContain('batond');
      await expect(answer(port)).rejects.toThrow();
      expect((await lab.exec(['systemctl', 'list-units', '--all', 'shop*', '--no-legend'])).stdout).toBe('');
      expect(await tree()).toBe(before);
      expect(await batond(['uninstall', '--name', 'shop'])).toMatchObject({ status: 69 });
    });

    test('lets systemd bind the socket, and takes that back too', async () => {
      const before = await tree();
      const install = (...args: string[]) =>
        batond(['install', 'server.js', '--name', 'shop', '--now', ...args, '--', `${port}`]);
      expect(await install()).toMatchObject({ status: 0 });
      // systemd can bind only what the service has let go of.
      expect(await install('--socket', `127.0.0.1:${port}`)).toMatchObject({ status: 0, stderr: '' });
      expect(await answer(port)).toMatchObject({ args: [] });
      const { stdout } = await batond(['status', '--name', 'shop', '--json']);
      expect(JSON.parse(stdout).listeners).toMatchObject([{ origin: 'systemd' }]);

      // The first connection starts it again.
      await lab.exec(['systemctl', 'stop', 'shop.service']);
      expect(await answer(port)).toMatchObject({ args: [] });

      const without = await install();
      expect(without).toMatchObject({ status: 0, stderr: '' });
      expect(without.stdout).toContain('/etc/systemd/system/shop.socket removed\n');
      expect(await answer(port)).toMatchObject({ args: [] });
      expect(await batond(['uninstall', '--name', 'shop'])).toMatchObject({ status: 0, stderr: '' });
      expect(await tree()).toBe(before);
    });

    test('gives a user a service of their own', async () => {
      await lab.execUser(['systemctl', '--user', 'is-system-running', '--wait'], { check: false });
      const before = await tree();
      const asUser = (args: readonly string[]): Promise<ExecResult> =>
        lab.execUser([process.execPath, '/usr/local/bin/batond', ...args], { check: false });
      const refused = await asUser(['install', app, '--name', 'shop']);
      expect(refused).toMatchObject({ status: 77, stderr: expect.stringContaining('--user-unit') });

      const installed = await asUser(['install', app, '--name', 'shop', '--user-unit', '--now', '--', `${port}`]);
      expect(installed).toMatchObject({ status: 0, stderr: '' });
      expect((await answer(port)).uid).not.toBe(0);
      await lab.execUser(['systemctl', '--user', 'reload', 'shop']);
      expect((await answer(port)).uid).not.toBe(0);

      expect(await asUser(['uninstall', '--name', 'shop', '--user-unit'])).toMatchObject({ status: 0, stderr: '' });
      await expect(answer(port)).rejects.toThrow();
      expect(await tree()).toBe(before);
    });

    // The rest is the same under any systemd.
    if (root !== '/') return;

    test('--dry-run shows the unit and changes nothing', async () => {
      const before = await tree();
      const dry = await batond(['install', 'server.js', '--name', 'shop', '--dry-run', '--now']);
      expect(dry).toMatchObject({ status: 0, stderr: '' });
      expect(dry.stdout).toContain('/etc/systemd/system/shop.service would be made\n');
      expect(dry.stdout).toContain(`run --name shop --directory ${join(lab.share, 'app')} ${app}\n`);
      expect(dry.stdout).toContain('would run systemctl start shop.service\n');
      expect(dry.stdout).toContain('/usr/local/lib/systemd/catalog/batond.catalog would be made\n');
      expect(await tree()).toBe(before);
    });

    test('updates its own unit, but none that was edited or that somebody else made', async () => {
      const install = (...args: string[]) =>
        batond(['install', 'server.js', '--name', 'shop', ...args, '--', `${port}`]);
      await install('--now');
      expect((await install()).stdout).toContain('/etc/systemd/system/shop.service unchanged\n');
      const updated = await install('--workers', '2');
      expect(updated.stdout).toMatch(/^ {2}- ExecStart=.*\n {2}\+ ExecStart=.*--workers=2/m);
      expect(updated.stdout).toContain(
        'The changes apply after: systemctl restart shop.service && systemctl reload shop.service\n',
      );
      await lab.exec(['systemctl', 'restart', 'shop']);
      expect(await show('ExecStart')).toContain('--workers=2');

      await lab.exec(['sh', '-c', 'echo "# mine" >>/etc/systemd/system/shop.service']);
      const edited = await tree();
      expect(await install()).toMatchObject({ status: 73, stderr: expect.stringContaining('systemctl edit shop') });
      expect(await batond(['uninstall', '--name', 'shop'])).toMatchObject({ status: 73 });
      expect(await tree()).toBe(edited);
      expect(await batond(['uninstall', '--name', 'shop', '--force'])).toMatchObject({ status: 0 });

      await lab.exec(['sh', '-c', 'printf "[Service]\\nExecStart=/bin/true\\n" >/etc/systemd/system/shop.service']);
      const foreign = await tree();
      expect(await install('--force')).toMatchObject({
        status: 73,
        stderr: expect.stringContaining('not made by batond'),
      });
      expect(await batond(['uninstall', '--name', 'shop'])).toMatchObject({ status: 69 });
      // One that ships with the machine would be hidden by ours.
      expect(await batond(['install', 'server.js', '--name', 'systemd-journald'])).toMatchObject({ status: 73 });
      expect(await tree()).toBe(foreign);
      await lab.exec(['rm', '/etc/systemd/system/shop.service']);
      await lab.exec(['systemctl', 'daemon-reload']);
    });

    test('prints with --json what the schemas say', async () => {
      for (const [line, args] of Object.entries(INSTALLED_RUNS)) {
        const { stdout, stderr } = await batond([...args, '--name', 'shop', '--json']);
        expect({ line, stderr, wrong: outputComplaint(line, stdout) }).toEqual({ line, stderr: '', wrong: null });
      }
    });

    test('installs nothing that systemd would complain about, or that could not run', async () => {
      const before = await tree();
      const refused = (...args: string[]) => batond(['install', '--name', 'shop', ...args]);
      // systemd warns of services that run as nobody.
      expect(await refused('server.js', '--user', 'nobody')).toMatchObject({ status: 78 });
      expect(await refused('server.js', '--user', 'nosuch')).toMatchObject({ status: 78 });
      expect(await refused('nosuch.js')).toMatchObject({ status: 78 });
      expect(await refused('server.js', '--env', 'A=1\n2')).toMatchObject({ status: 78 });
      expect(await refused('server.js', '--env', 'NOTIFY_SOCKET=/x')).toMatchObject({ status: 78 });
      expect(await refused('server.js', '--socket', 'localhost:80')).toMatchObject({ status: 78 });
      expect(await refused('server.js', '--user-unit', '--user', 'shop')).toMatchObject({ status: 64 });
      expect(await tree()).toBe(before);
    });

    test('says why a service did not start', async () => {
      const before = await tree();
      writeFileSync(app, 'throw new Error("the shelves are empty")');
      const failed = await batond(['install', 'server.js', '--name', 'shop', '--now']);
      expect(failed).toMatchObject({ status: 69, stderr: expect.stringContaining('the shelves are empty') });
      expect(await batond(['uninstall', '--name', 'shop'])).toMatchObject({ status: 0 });
      expect(await tree()).toBe(before);
    });

    test('keeps what an app has in its state directory, unless told otherwise', async () => {
      const before = await tree();
      for (const [flags, left] of [
        [[], true],
        [['--purge'], false],
      ] as const) {
        await batond(['install', 'server.js', '--name', 'shop', '--now', '--', `${port}`]);
        await lab.exec(['touch', '/var/lib/batond/shop/orders.db']);
        const removed = await batond(['uninstall', '--name', 'shop', ...flags]);
        expect(removed.stdout.includes('kept /var/lib/batond/shop')).toBe(left);
        const files = await lab.exec(['ls', '/var/lib/batond/shop'], { check: false });
        expect(files.stdout).toBe(left ? 'orders.db\n' : '');
      }
      expect(await tree()).toBe(before);
    });

    // The last one: it starts the service again over workers that live, which systemd complains of in the journal.
    test('doctor has nothing to say of a fresh install, and tells what became of it since', async () => {
      const installed = await batond([
        'install',
        'server.js',
        '--name',
        'shop',
        '--user',
        'shop',
        '--now',
        '--',
        `${port}`,
      ]);
      expect(installed).toMatchObject({ status: 0 });
      const unit = '/etc/systemd/system/shop.service';
      const doctor = async () => {
        const { stdout, status } = await batond(['doctor', '--name', 'shop', '--json']);
        const rows = JSON.parse(stdout) as { service: string | null; check: string; level: string; what: string }[];
        return { status, rows: rows.filter(({ service, level }) => service === 'shop' && level !== 'ok') };
      };
      expect(await doctor()).toEqual({ status: 0, rows: [] });

      await lab.exec(['sed', '-i', 's/^RestartSec=.*/RestartSec=3s/', unit]);
      const edited = await doctor();
      expect(edited.status).toBe(0);
      expect(edited.rows.map(({ check }) => check)).toEqual(['unit file', 'unit loaded']);
      await lab.exec(['sed', '-i', 's/^KillMode=.*/KillMode=mixed/', unit]);
      await lab.exec(['systemctl', 'daemon-reload']);
      const broken = await doctor();
      expect(broken.rows).toContainEqual(expect.objectContaining({ check: 'unit settings', level: 'fail' }));
      expect(broken.status).toBe(1);

      await batond(['install', 'server.js', '--name', 'shop', '--user', 'shop', '--force', '--now', '--', `${port}`]);
      expect(await doctor()).toEqual({ status: 0, rows: [] });
      await lab.exec(['systemctl', 'stop', 'shop']);
      expect((await doctor()).rows).toEqual([expect.objectContaining({ check: 'service', level: 'warn' })]);
      expect(await batond(['uninstall', '--name', 'shop', '--purge'])).toMatchObject({ status: 0 });
    });
  },
);

interface Answer {
  readonly args: readonly string[];
  readonly extra?: string;
  readonly uid: number;
}

/** The network is the machine's own. */
async function answer(port: number): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  return (await response.json()) as Answer;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
