/** A TLS client resumes its session with whichever worker of whichever generation it reaches. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';

const APPS = join(ROOT, 'test/fixtures/apps');
const FILES = { TLS_KEY: join(APPS, 'tls-key.pem'), TLS_CERT: join(APPS, 'tls-cert.pem') };

interface Visit {
  readonly reused: boolean;
  readonly release: string;
  readonly pid: number;
  readonly session: Buffer;
}

/** Connects, hears who answers, and waits for a ticket, which in TLS 1.3 comes after the handshake. */
function visit(port: number, version: tls.SecureVersion, session?: Buffer): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ...(session === undefined ? {} : { session }),
    });
    let text = '';
    let ticket: Buffer | undefined;
    let reused = false;
    socket.setEncoding('utf8');
    socket.on('secureConnect', () => {
      reused = socket.isSessionReused();
      ticket ??= socket.getSession();
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    });
    socket.on('session', (got) => {
      ticket = got;
    });
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const said = JSON.parse(/\{.*\}/.exec(text)?.[0] ?? '{}');
      resolve({ ...said, reused, session: ticket ?? session });
    });
  });
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a client with %s', (version) => {
  test.each(['tls', 'https'])(
    'resumes across workers, generations and killed supervisors of an app on node:%s',
    async (kind) => {
      await using service = await HostedService.start({
        app: 'answers-tls',
        env: { ...FILES, APP_TLS: kind },
        workers: 2,
      });
      let { reused, session } = await visit(service.port, version);
      expect(reused).toBe(false);
      const pids = new Set<number>();
      const releases = new Set<string>();
      for (let n = 0; n < 3; n++) {
        for (let i = 0; i < 8; i++) {
          const next = await visit(service.port, version, session);
          expect(next.reused, `visit ${i} of generation ${n + 1}`).toBe(true);
          ({ session } = next);
          pids.add(next.pid);
          releases.add(next.release);
        }
        service.deploy('answers-tls');
        expect((await service.reload()).status, service.log).toBe(0);
        if (n < 2) await service.killSupervisor();
      }
      expect(releases.size).toBe(3);
      expect(pids.size).toBeGreaterThan(3);
    },
  );
});

test('what tickets are made from is in no file, log or environment', async () => {
  await using service = await HostedService.start({
    app: 'answers-tls',
    env: FILES,
    toml: '[log]\nlevel = "trace"',
  });
  await service.reload();
  const { generations, supervisor } = await service.untilDrained();
  const pids = [supervisor.pid, ...generations.flatMap(({ workers }) => workers.map(({ pid }) => pid))];
  const seen = [
    service.log,
    execFileSync('grep', ['-rhI', '', join(service.folder, 'state'), join(service.folder, 'batond.toml')], {
      encoding: 'utf8',
    }),
    readFileSync(join(service.folder, 'run/live.json'), 'utf8'),
    ...pids.map((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8')),
  ]
    .join('\n')
    // Checksums of the files.
    .replaceAll(/"sha256":"[0-9a-f]{64}"/g, '');
  // 48 bytes in base64 or in hexadecimal digits.
  expect(seen.match(/(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{64}|[0-9a-f]{96})(?![A-Za-z0-9+/=])/g)).toBeNull();
});
