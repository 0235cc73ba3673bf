// The promises of the lab itself: it is a whole systemd, and nothing of it stays, whoever dies first.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test, vi } from 'vitest';
import { type Lab, labAvailable, startLab } from '../support/lab/start-lab.mjs';

const available = labAvailable();
const tool = resolve(import.meta.dirname, '../support/lab/lab.mjs');
const project = resolve(import.meta.dirname, '../..');
const trixie = '/var/cache/batond-lab/trixie';

describe.skipIf(!available.ok)(
  `the lab${available.ok ? '' : ` (skipped: ${available.why})`}`,
  { timeout: 60_000 },
  () => {
    test('is a systemd of its own with a journal, and shows the project and this node', async () => {
      await using lab = await startLab();
      expect((await lab.exec(['systemctl', 'is-active', 'basic.target'])).stdout).toBe('active\n');
      expect((await lab.exec(['cat', '/proc/1/comm'])).stdout).toBe('systemd\n');

      await lab.exec(['systemd-run', '--wait', '--unit=speaks', 'sh', '-c', 'echo from the unit']);
      await lab.exec(['journalctl', '--sync']);
      const { stdout: journal } = await lab.exec(['journalctl', '--unit=speaks', '--output=cat']);
      expect(journal).toContain('from the unit\n');

      expect((await lab.exec([process.execPath, '--version'])).stdout).toBe(`${process.version}\n`);
      expect((await lab.exec(['cat', join(project, 'package.json')])).stdout).toBe(
        readFileSync(join(project, 'package.json'), 'utf8'),
      );
    });

    test('shares its folder both ways and nothing else', async () => {
      await using lab = await startLab();
      writeFileSync(join(lab.share, 'in'), 'from outside');
      expect((await lab.exec(['cat', join(lab.share, 'in')])).stdout).toBe('from outside');
      await lab.exec(['sh', '-c', 'printf %s inside >out; echo x >/etc/only-in-the-lab'], { cwd: lab.share });
      expect(readFileSync(join(lab.share, 'out'), 'utf8')).toBe('inside');
      expect(existsSync('/etc/only-in-the-lab')).toBe(false);

      const writesProject = await lab.exec(['touch', join(project, 'package.json')], { check: false });
      expect(writesProject.stderr).toContain('Read-only file system');
      const writesKernel = await lab.exec(['sh', '-c', 'echo 0 >/proc/sys/vm/swappiness'], { check: false });
      expect(writesKernel.status).not.toBe(0);
    });

    test.skipIf(!existsSync(trixie))('runs another Debian, made with `lab.mjs root trixie`', async () => {
      await using lab = await startLab({ root: trixie });
      expect((await lab.exec(['systemctl', '--version'])).stdout).toMatch(/^systemd 257 /);
      expect((await lab.exec([process.execPath, '--version'])).stdout).toBe(`${process.version}\n`);
    });

    test('gives an unprivileged user a systemd --user', async () => {
      await using lab = await startLab();
      const { stdout } = await lab.execUser(['sh', '-c', 'id -un; systemctl --user is-system-running --wait']);
      expect(stdout).toBe('visitor\nrunning\n');
    });

    test('fails a command with all that it said, and ends one that is late', async () => {
      await using lab = await startLab();
      const failing = lab.exec(['sh', '-c', 'echo seen; echo heard >&2; exit 3']);
      await expect(failing).rejects.toMatchObject({ status: 3, stdout: 'seen\n', stderr: 'heard\n' });

      await expect(lab.exec(['sleep', '1000.25'], { timeoutMs: 300 })).rejects.toThrow(
        'sleep 1000.25 did not end within 300 ms',
      );
      await vi.waitFor(async () =>
        expect((await lab.exec(['ps', '-eo', 'args'])).stdout).not.toContain('sleep 1000.25'),
      );
    });

    test('keeps labs apart and leaves no process, mount, cgroup or file when it is down', async () => {
      const mountsBefore = mounts();
      const [one, two] = await Promise.all([startLab(), startLab()]);
      const traces = [tracesOf(one), tracesOf(two)];
      await startSleepers(one);
      await two.exec(['systemd-run', '--unit=only-in-two', 'sleep', 'infinity']);
      expect((await one.exec(['systemctl', 'is-active', 'only-in-two'], { check: false })).stdout).toBe('inactive\n');
      for (const trace of traces) expect(trace.left()).toMatchObject({ cgroups: 1, folders: 1 });
      expect(traces[0]!.left().processes.length).toBeGreaterThan(3);

      await one.down();
      expect((await two.exec(['systemctl', 'is-active', 'only-in-two'])).stdout).toBe('active\n');
      await two.down();
      for (const trace of traces) expect(trace.left()).toEqual(nothing);
      expect(mounts()).toEqual(mountsBefore);
    });

    test('is gone after SIGKILL of the process that started it', async () => {
      await using starter = await startStarter();
      const trace = tracesOf(starter.lab);
      expect(trace.left().processes.length).toBeGreaterThan(0);
      starter.process.kill('SIGKILL');
      await vi.waitFor(() => expect(trace.left()).toEqual(nothing), { timeout: 10_000 });
    });

    test('is dead after SIGKILL of its keeper, and swept by the next start', async () => {
      await using starter = await startStarter();
      const trace = tracesOf(starter.lab);
      process.kill(starter.lab.keeper.pid, 'SIGKILL');
      await vi.waitFor(() => expect(trace.left().processes).toEqual([]), { timeout: 10_000 });
      await using _next = await startLab();
      expect(trace.left()).toEqual(nothing);
      starter.process.kill('SIGKILL');
    });

    test('stays after `up` and ends with `down`', async () => {
      const up = JSON.parse(execFileSync(process.execPath, [tool, 'up', '--json'], { encoding: 'utf8' })) as LabFacts;
      const trace = tracesOf(up);
      const byPid = execFileSync(process.execPath, [tool, 'exec', String(up.init.pid), '--', 'hostname'], {
        encoding: 'utf8',
      });
      expect(byPid).toBe(`${up.name}\n`);
      const list = JSON.parse(
        execFileSync(process.execPath, [tool, 'list', '--json'], { encoding: 'utf8' }),
      ) as LabFacts[];
      expect(list.map(({ name }) => name)).toContain(up.name);
      execFileSync(process.execPath, [tool, 'down', up.name]);
      expect(trace.left()).toEqual(nothing);
    });

    test('says what went wrong when it cannot start, and leaves nothing', async () => {
      await expect(startLab({ name: 'never-up', deadlineMs: 1 })).rejects.toThrow('systemd is not up after 1 ms');
      expect(existsSync('/var/lib/batond-lab/never-up')).toBe(false);
      await using lab = await startLab();
      await expect(startLab({ name: lab.name })).rejects.toThrow('there is a lab named');
      expect((await lab.exec(['true'])).status).toBe(0);
    });
  },
);

interface LabFacts {
  name: string;
  share: string;
  cgroup: string;
  init: { pid: number };
  keeper: { pid: number };
}

const nothing = { processes: [], cgroups: 0, folders: 0 };

/** What of a lab can be seen on the machine; other labs and their tests may run beside, so only its own is looked for. */
function tracesOf(lab: Pick<LabFacts, 'share' | 'cgroup'>) {
  return {
    left: () => ({
      processes: readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && belongs(entry, lab)),
      cgroups: Number(existsSync(lab.cgroup)),
      folders: Number(existsSync(dirname(lab.share))),
    }),
  };
}

function belongs(pid: string, lab: Pick<LabFacts, 'share' | 'cgroup'>): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(basename(lab.cgroup)) ||
      readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(` ${lab.share} `)
    );
  } catch {
    return false; // It ended while we looked, or it is a zombie that somebody else has to reap.
  }
}

/** A mount that a test beside us made is none of a lab's; a lab's all carry its folder or its name. */
function mounts(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => /batond-lab|overlay/.test(line));
}

/** Processes of every kind that could be forgotten: of a service, out of its cgroup's reach, and of a command. */
async function startSleepers(lab: Lab): Promise<void> {
  await lab.exec(['systemd-run', '--unit=sleeper', 'sh', '-c', 'setsid sleep infinity & exec sleep infinity']);
  await lab.exec(['sh', '-c', 'setsid sleep infinity >/dev/null 2>&1 &']);
  lab.spawn(['sleep', 'infinity']);
}

/** A process that starts a lab and then does nothing, to be killed. */
async function startStarter(): Promise<AsyncDisposable & { process: ChildProcess; lab: LabFacts }> {
  const module = JSON.stringify(resolve(dirname(tool), 'start-lab.mjs'));
  const places = JSON.stringify(resolve(dirname(tool), 'places.mjs'));
  const script = `
    const { startLab } = await import(${module});
    const { findRecord } = await import(${places});
    const lab = await startLab();
    await lab.exec(['systemd-run', '--unit=sleeper', 'sleep', 'infinity']);
    console.log(JSON.stringify(findRecord(lab.name)));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line', {
    signal: AbortSignal.timeout(30_000),
  })) as [string];
  const ended = once(child, 'exit');
  return {
    process: child,
    lab: JSON.parse(line) as LabFacts,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
