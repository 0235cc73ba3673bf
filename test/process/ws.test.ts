/** WebSockets stay open over reloads: real `ws` on both sides, under the host. */
import { expect, test } from 'vitest';
import { ROOT } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { startClients } from '../support/ws/start-clients.js';

const LONG = process.env.BATOND_LONG === '1';
const [CLIENTS, RELOADS, GAP_MS] = LONG ? [200, 50, 40] : [50, 5, 15];

test(`${CLIENTS} WebSockets live through ${RELOADS} reloads: no close, no message lost or repeated`, async () => {
  await using service = await HostedService.start({ app: 'echoes-ws', env: { BATOND: ROOT } });
  await using clients = await startClients(service.port, CLIENTS, GAP_MS);
  let slowestMs = 0;
  for (let n = 2; n <= RELOADS + 1; n++) {
    service.deploy('echoes-ws');
    const { verdict } = await service.reload();
    const committed = performance.now();
    expect(verdict, service.log).toMatchObject({ ok: true, generation: n });
    await service.untilDrained();
    slowestMs = Math.max(slowestMs, performance.now() - committed);
  }
  const seen = await clients.stop();
  console.log(JSON.stringify({ ...seen, slowestMs }));
  expect(seen, service.log).toMatchObject({ closed: [], wrong: [], unanswered: 0 });
  expect(seen.echoes).toBeGreaterThan(CLIENTS * RELOADS);
  expect(seen.ticks).toBeGreaterThan(CLIENTS * RELOADS);
  expect(seen.pids).toBeGreaterThan(RELOADS);
  await service.expectNoLeftovers();
}, 600_000);
