/** A service that cannot keep up says so to a real HAProxy, and when it is over; nothing of it is lost by a reload. */
import { existsSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LimitedGroup } from '../support/cgroup/limited-group.js';
import { haproxyAvailable } from '../support/haproxy/available.mjs';
import { Haproxy } from '../support/haproxy/start-haproxy.js';
import { ask } from '../support/service/ask.js';
import { freePort } from '../support/service/free-port.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const lines = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);

/** What `curl` sees. */
function text(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (data) => {
        body += data;
      });
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
    }).on('error', reject);
  });
}

const available = haproxyAvailable();

describe.skipIf(!available.ok)(`with HAProxy${available.ok ? '' : ` (${available.why})`}`, () => {
  test('a service that is slow gets a fifth of the traffic until it is fast again, over a reload and a crash', async () => {
    const [agent, admin] = [await freePort(), await freePort()];
    await using service = await HostedService.start({ workers: 1, idle: true });
    const told = join(service.folder, 'told');
    const tell = (what: string) =>
      JSON.stringify(['sh', '-c', `echo "${what} $BATOND_FIRES $BATOND_WEIGHT $BATOND_REASON" >> ${told}`]);
    const rule = `when = "p99>300ms for 1s"\nweight = 20\nrun = ${tell('run')}\nrun_over = ${tell('over')}`;
    const never = 'when = "p99>1h"\nweight = 0';
    service.configure({
      workers: 1,
      toml: `admin.agent = "${agent}"\nadmin.listen = "${admin}"\n[[degrade]]\n${rule}\n[[degrade]]\n${never}`,
    });
    service.run();
    await service.untilServing();
    await using haproxy = await Haproxy.start(service.port, agent);
    expect(await haproxy.seen()).toMatchObject({ weight: 100, downs: 0 });
    expect(await text(admin, '/weight')).toBe('200 100%\n');

    let slow = true;
    const asking = (async () => {
      while (slow) await (await ask(haproxy.port, '/slow?ms=400&chunks=1')).body;
    })();
    await haproxy.until(({ weight }) => weight === 20);
    expect(await text(admin, '/weight')).toBe('200 20%\n');
    const status = await service.status();
    expect(status).toMatchObject({ weight: 20 });
    expect(status.summary).toContain('Weight 20 %: p99>300ms for 1s.');
    await eventually(
      () => lines(told),
      (all) => all.length === 1,
      { what: () => `run has run; log:\n${service.log}` },
    );
    expect(lines(told)[0]).toMatch(/^run 1 20 p99 is \d+ms, more than 300ms$/);

    // Who asks meanwhile waits in the queue of the socket: HAProxy never sees it gone, and never sees another weight.
    expect(await service.reload()).toMatchObject({ status: 0 });
    await service.killSupervisor();
    expect(await service.status()).toMatchObject({ weight: 20 });
    expect(await haproxy.seen()).toMatchObject({ status: 'UP', weight: 20, downs: 0 });

    slow = false;
    await asking;
    await haproxy.until(({ weight }) => weight === 100);
    await eventually(
      () => lines(told),
      (all) => all.length >= 2,
      { what: () => `run_over has run; log:\n${service.log}` },
    );
    // What had run for the first supervisor is not run again by the others.
    expect(lines(told)).toEqual([expect.stringMatching(/^run 1 20 /), expect.stringMatching(/^over 0 100/)]);

    const held = await ask(service.port, '/slow?ms=3000&chunks=1');
    service.signal('SIGTERM');
    await haproxy.until(({ status: seen }) => seen.startsWith('DOWN'));
    await held.body;
  }, 120_000);
});

const lacks = LimitedGroup.lacks('cpu', 'memory');

test.skipIf(lacks !== null)(
  `a CPU quota that runs out is seen${lacks === null ? '' : ` (${lacks})`}`,
  async () => {
    await using group = LimitedGroup.create('cpu', 'memory');
    await using service = await HostedService.start({
      workers: 1,
      through: group.through,
      toml: '[[degrade]]\nwhen = "cpu_throttled for 1s"\nweight = 50',
    });
    expect(await service.status()).toMatchObject({ weight: 100 });
    group.limitCpu(10);
    const load = await service.load({ modes: { keepAlive: { connections: 8, gapMs: [0, 0] } } });
    await eventually(
      () => service.log,
      (log) => log.includes('degraded: the CPU quota ran out in'),
      { deadlineMs: 60_000, what: () => `the quota is noticed; log:\n${service.log}` },
    );
    group.limitCpu(null);
    await load.stop();
    await eventually(
      () => service.log,
      (log) => log.includes('over: cpu_throttled for 1s: weight 100 %'),
      { deadlineMs: 60_000, what: () => `it is over; log:\n${service.log}` },
    );
  },
  120_000,
);
