/** `batond status --watch` at a terminal of its own: over a reload, the death of a supervisor and the end of the service. */
import { expect, test } from 'vitest';
import { batond, MAIN, NODE } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { Terminal } from '../support/service/terminal.js';

test('shows a reload pass by, outlives the service, and leaves the terminal as it was', async () => {
  await using service = await HostedService.start({ workers: 1, toml: '[upgrade]\nsoak = "1s"' });
  const { env, folder: cwd } = service;
  const args = ['status', '--name', 'shop', '--watch', '--interval', '200ms'];
  const terminal = new Terminal([NODE, MAIN, ...args], { cwd, env });
  await terminal.untilSeen(/generation 1, serves/);
  const reload = service.reload();
  await terminal.untilSeen(/generation 2, the candidate/);
  await terminal.untilSeen(/reload under way for/);
  await reload;
  await terminal.untilSeen(/last reload done in .*\s+takeover .* > boot .* > probe .* > switch .* > soak /);
  const { supervisor } = await service.killSupervisor();
  await terminal.untilSeen(new RegExp(`supervisor pid ${supervisor.pid} `));
  service.signal('SIGTERM');
  await service.exit;
  await terminal.untilSeen(/waiting for it/);
  terminal.type('q');
  expect(await terminal.exit).toBe(0);
  expect(terminal.screen.startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
  expect(terminal.screen.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
});

test('prints a snapshot each time to what is no terminal, and refuses what makes no sense', async () => {
  await using service = await HostedService.start({ workers: 1 });
  const watching = (...args: string[]) => batond(['status', '--name', 'shop', '--watch', ...args], service.env);
  expect(await watching('--json')).toMatchObject({ status: 64, stdout: '' });
  expect(await watching('--interval', '1ms')).toMatchObject({ status: 64, stderr: expect.stringContaining('100 ms') });
  const plain = new Terminal([NODE, MAIN, 'status', '--name', 'shop', '--watch', '--interval', '100ms'], {
    cwd: service.folder,
    env: { ...service.env, TERM: 'dumb' },
  });
  await plain.untilSeen(/(shop: serving[\s\S]*){3}/);
  plain.type('\x03');
  expect(await plain.exit).toBe(0);
  expect(plain.screen).not.toContain('\x1b');
});
