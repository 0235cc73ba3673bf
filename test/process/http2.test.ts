/** HTTP/2 clients are told to go in time: no stream is reset or lost over twenty reloads. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { Http2Client } from '../support/service/http2-client.js';
import { eventually } from '../support/service/wait.js';

const APPS = join(ROOT, 'test/fixtures/apps');
const FILES = { TLS_KEY: join(APPS, 'tls-key.pem'), TLS_CERT: join(APPS, 'tls-cert.pem') };
const RELOADS = 20;
const STREAMS = 16;

/** nghttp2-client of Debian. */
const H2LOAD = spawnSync('h2load', ['--version']).status === 0;

describe.each([
  ['h2c', 'http', 'no'],
  ['h2', 'https', 'yes'],
])('a client of %s', (_name, scheme, tls) => {
  test(`sees no error over ${RELOADS} reloads`, { timeout: 120_000 }, async () => {
    await using service = await HostedService.start({ app: 'answers-http2', env: { ...FILES, APP_TLS: tls } });
    const client = new Http2Client(`${scheme}://127.0.0.1:${service.port}`, STREAMS);
    for (let n = 2; n <= RELOADS + 1; n++) {
      service.deploy('answers-http2');
      expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: n });
    }
    await eventually(
      () => client.releases.size,
      (releases) => releases === RELOADS + 1,
      { what: () => 'every release has answered' },
    );
    await client.stop();
    expect(client.failures).toEqual([]);
    expect(client.answered).toBeGreaterThan(1_000);
    // What was on its way under TLS, and what the client had not written yet: at most what was open, each time.
    expect(client.refused).toBeLessThanOrEqual(STREAMS * RELOADS);
    expect(client.goneAway).toBeGreaterThanOrEqual(RELOADS);
    await service.expectNoLeftovers();
  });
});

test.skipIf(!H2LOAD)(
  H2LOAD
    ? 'h2load sees no error over a reload'
    : 'h2load sees no error over a reload (skipped: no h2load, of nghttp2-client)',
  { timeout: 60_000 },
  async () => {
    await using service = await HostedService.start({ app: 'answers-http2', env: { ...FILES, APP_TLS: 'no' } });
    // It does not connect again after a GOAWAY, so it has to be done within the notice that the first one gives.
    const load = spawn('h2load', ['-n', '400', '-c', '4', '-m', '4', `http://127.0.0.1:${service.port}/`]);
    let text = '';
    load.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const [, { status }] = await Promise.all([new Promise((resolve) => load.on('close', resolve)), service.reload()]);
    expect(status).toBe(0);
    expect(text).toMatch(/requests: 400 total, 400 started, 400 done, 400 succeeded, 0 failed, 0 errored, 0 timeout/);
  },
);
