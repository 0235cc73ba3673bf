/** Who follows the events of a service misses none and sees none twice, whatever becomes of its supervisors. */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import type { ServiceEvent } from '../../src/events/event.js';
import { outputComplaint } from '../support/json/schemas.js';
import { MAIN, NODE } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const eventsOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as ServiceEvent);

test('over reloads, a supervisor that is killed, and a log that says little', async () => {
  await using service = await HostedService.start({ workers: 1, toml: '[log]\nlevel = "error"' });
  const { env, folder: cwd } = service;
  const following = spawn(NODE, [MAIN, 'events', '--name', 'shop', '--follow', '--json'], { env, cwd });
  let seen = '';
  following.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
  });
  const exit = new Promise((resolve) => following.on('exit', resolve));
  const until = (event: string, times: number) =>
    eventually(
      () => eventsOf(seen).filter((one) => one.event === event).length,
      (count) => count === times,
      { what: () => `${event} comes ${times} times: ${seen}` },
    );
  await until('ready', 1);
  await service.reload();
  await service.killSupervisor();
  service.deploy('exits-at-once');
  await service.reload();
  await until('verdict', 2);
  const kept = await service.batond('events', '--json');
  expect(outputComplaint('events', kept.stdout)).toBeNull();

  expect(await service.stop()).toBe(0);
  expect(await exit).toBe(69);
  const events = eventsOf(seen);
  expect(events.map(({ id }) => id)).toEqual(events.map((_, i) => events[0]!.id + i));
  expect(events.slice(0, eventsOf(kept.stdout).length)).toEqual(eventsOf(kept.stdout));
  const names = events.map(({ event }) => event);
  const order = ['ready', 'took-over', 'verdict', 'adopted', 'took-over', 'verdict', 'stop', 'stopped'];
  expect(names.filter((name) => order.includes(name))).toEqual(order);
  expect(events.filter(({ event }) => event === 'verdict')).toMatchObject([
    { level: 'info', generation: 2 },
    { level: 'error', generation: 2, code: 'CANDIDATE_EXITED' },
  ]);
  expect(events.filter(({ event }) => event === 'worker-started').map(({ generation }) => generation)).toEqual([
    1, 2, 3,
  ]);
});
