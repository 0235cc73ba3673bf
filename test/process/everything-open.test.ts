/** All that stays open at once: busy and idle keep-alive connections and WebSockets, over reload after reload. */
import { expect, test } from 'vitest';
import { ROOT } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { Lingering } from '../support/service/lingering.js';
import { expectNobodyClosed, untilIdle } from '../support/service/open-connections.js';
import { startClients } from '../support/ws/start-clients.js';

const LONG = process.env.BATOND_LONG === '1';
const RELOADS = LONG ? 100 : 6;
const INTERVAL_MS = 1_000;
const [BUSY, IDLE, SOCKETS] = [64, 500, 200];
/** Between two requests, and between an echo and the next frame: all clients and two cores are shared. */
const BUSY_GAP_MS = [0, 100] as const;
const FRAME_GAP_MS = 200;

test(`${BUSY} busy and ${IDLE} idle connections and ${SOCKETS} WebSockets live through ${RELOADS} reloads`, async () => {
  await using service = await HostedService.start({
    app: 'echoes-ws',
    env: { BATOND: ROOT, KEEP_ALIVE_MS: '600000', TICK_MS: '500' },
  });
  await using clients = await startClients(service.port, SOCKETS, FRAME_GAP_MS);
  const modes = { keepAlive: { connections: BUSY, gapMs: BUSY_GAP_MS }, idle: { connections: IDLE } };
  const load = await service.load({ modes });
  await untilIdle(load, IDLE);
  for (let n = 2; n <= RELOADS + 1; n++) {
    const next = performance.now() + INTERVAL_MS;
    service.deploy('echoes-ws');
    const { verdict } = await service.reload();
    expect(verdict, service.log).toMatchObject({ ok: true, generation: n });
    await new Promise((resolve) => setTimeout(resolve, next - performance.now()));
  }
  await service.untilDrained();
  const result = await load.stop();
  const seen = await clients.stop();
  const lingering = new Lingering(service.log);
  console.log(
    `${lingering}; ${result.ok} answers, p99 ${result.latency.p99} ms, max ${result.latency.max} ms; ` +
      `${seen.echoes} echoes, the slowest after ${Math.round(seen.longestMs)} ms`,
  );
  expectNobodyClosed(result, BUSY + IDLE, service.log);
  expect(seen, service.log).toMatchObject({ closed: [], wrong: [], unanswered: 0 });
  expect(seen.echoes).toBeGreaterThan(SOCKETS * RELOADS);
  expect(lingering.ms).toHaveLength(RELOADS);
  // How loaded the machine is decides in a short run.
  if (LONG) expect(lingering.ms.at(-1)).toBeLessThan(1_000);
  await service.expectNoLeftovers();
}, 600_000);
