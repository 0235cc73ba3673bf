/** The death of the host itself ends the service in order: what is in flight is finished, and nothing is left behind. */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ask, whoAnswers } from '../support/service/ask.js';
import { type HostedOptions, HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const PYTHON: HostedOptions = {
  app: 'speaks-sd-notify',
  program: 'command = ["python3", "server.py"]',
  toml: (port) => `[[listener]]\nname = "http"\naddress = "127.0.0.1:${port}"`,
};

/** Well below the time that a worker without a supervisor takes at most. */
const untilNobody = (service: HostedService) =>
  eventually(
    () => service.processes(),
    (processes) => processes.length === 0,
    { deadlineMs: 15_000, what: () => `no process is left; log:\n${service.log}` },
  );

const refuses = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', (failed) => resolve(failed));
  });

const untilServing = async (service: HostedService) => {
  service.run();
  await service.untilServing();
  expect(await whoAnswers(service.port)).toMatchObject({ release: 'r1' });
  expect(await service.stop()).toBe(0);
};

test('under load what the workers have in hand is answered, the port is free, and it can be started again', async () => {
  await using service = await HostedService.start();
  const load = await service.load({ modes: { fresh: { perSecond: 100 } } });
  const slow = await Promise.all(Array.from({ length: 20 }, () => ask(service.port, '/slow?ms=2000&chunks=5')));
  service.signal('SIGKILL');
  for (const { body } of slow) expect(await body).toContain('chunk 4 of 5');
  await untilNobody(service);
  const { cutShort, timedOut, wrong, ok } = await load.stop();
  expect({ cutShort, timedOut, wrong }).toEqual({ cutShort: 0, timedOut: 0, wrong: 0 });
  expect(ok).toBeGreaterThan(0);
  expect(service.log).toContain('the host has died: stopping');
  expect(await refuses(service.port)).toBe(true);
  await untilServing(service);
});

test('other programs are told to end as well', async () => {
  await using service = await HostedService.start(PYTHON);
  const slow = ask(service.port, '/slow?ms=1000');
  await eventually(
    () => service.log,
    (log) => log.includes('slow\n'),
    { what: () => 'the request is in flight' },
  );
  service.signal('SIGKILL');
  expect(await (await slow).body).toContain('r1');
  await untilNobody(service);
  await untilServing(service);
});

test('together with its supervisor: workers see their channels close, and end by themselves', async () => {
  await using service = await HostedService.start();
  const { supervisor } = await service.status();
  const slow = await ask(service.port, '/slow?ms=1000&chunks=5');
  service.signal('SIGKILL');
  process.kill(supervisor.pid, 'SIGKILL');
  expect(await slow.body).toContain('chunk 4 of 5');
  await untilNobody(service);
  await untilServing(service);
});

test('during a reload, neither supervisor stays', async () => {
  await using service = await HostedService.start({ workers: 1 });
  service.deploy('never-listens');
  const reload = service.reload();
  await eventually(
    () => service.log,
    (log) => log.includes('is the supervisor now'),
    { what: () => 'the takeover is over' },
  );
  const slow = await ask(service.port, '/slow?ms=1000&chunks=5');
  service.signal('SIGKILL');
  expect(await slow.body).toContain('chunk 4 of 5');
  expect((await reload).status).not.toBe(0);
  await untilNobody(service);
});

test('in the middle of a stop it cuts nothing short', async () => {
  await using service = await HostedService.start();
  const slow = await ask(service.port, '/slow?ms=2000&chunks=5');
  service.signal('SIGTERM');
  await eventually(
    () => service.tryStatus(),
    (status) => status?.state === 'stopping',
    { what: () => `it is stopping; log:\n${service.log}` },
  );
  service.signal('SIGKILL');
  expect(await slow.body).toContain('chunk 4 of 5');
  await untilNobody(service);
});
