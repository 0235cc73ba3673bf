/** `batond doctor` of a service that runs, of one that was killed, and of one that nobody has heard of. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Finding } from '../../src/doctor/finding.js';
import { batond } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

type Row = Finding & { readonly service: string | null };

test('tells of a service how it is, and what is left of it when it was killed', async () => {
  await using service = await HostedService.start();
  const examine = async () => {
    const { status, stdout, stderr } = await service.batond('doctor', '--json');
    expect(stderr).toBe('');
    const rows = JSON.parse(stdout) as Row[];
    return { status, of: (check: string) => rows.find((row) => row.check === check), rows };
  };
  const well = await examine();
  expect(well.status).toBe(0);
  expect(well.rows.filter(({ level, service }) => level !== 'ok' && service !== null)).toEqual([]);
  expect(well.of('service')).toMatchObject({ service: 'shop', what: expect.stringContaining('Generation 1') });
  expect(well.of('descriptors')?.what).toMatch(/ has \d+ descriptors open of at most \d+$/);
  expect(well.of('control socket')?.what).toMatch(/control\.sock, mode 0600$/);
  expect(well.of('addon')).toMatchObject({ service: null, level: 'ok' });

  const { status, stdout } = await service.batond('doctor');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^this machine\n {2}(ok {2}|warn) {2}kernel /);
  expect(stdout).toMatch(/\n\nshop\n {2}ok {4}service {12}Generation 1 /);
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);

  // The host and the supervisor in one moment: nobody is left who would tidy up.
  const live = join(service.folder, 'run/live.json');
  const { supervisor } = await service.status();
  process.kill(service.hostPid, 'SIGSTOP');
  process.kill(supervisor.pid, 'SIGKILL');
  process.kill(service.hostPid, 'SIGKILL');
  await service.exit;
  await eventually(
    () => isGone(supervisor.pid),
    (gone) => gone,
    { what: () => 'the supervisor is gone' },
  );
  const killed = await examine();
  expect(killed.status).toBe(1);
  expect(killed.of('service')).toMatchObject({ level: 'fail', todo: expect.stringContaining('batond run') });
  expect(killed.of('leftovers')).toMatchObject({ level: 'warn', what: expect.stringContaining(live) });
});

test('a config that cannot be read is told as everywhere, and a service that is not there fails', async () => {
  const env = { PATH: process.env.PATH, XDG_RUNTIME_DIR: '/tmp/there-is-none' };
  expect(await batond(['doctor', '--config', '/no-such.toml'], env)).toMatchObject({ status: 78 });
  const { status, stdout } = await batond(['doctor', '--name', 'nobody-knows-it'], env, '/');
  expect(stdout).toMatch(/\n {2}fail {2}service {12}nobody-knows-it is not running/);
  expect(status).toBe(1);
});

/** Gone, or with nobody who waits for it: PID 1 of some containers does not. */
function isGone(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}
