/** Who may do what over the control socket: others are refused with the reason, and it is on record who did what. */
import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { batondAs, letOthersPass, runAs } from '../support/service/as-user.js';
import { MAIN, NODE } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const asRoot = describe.runIf(process.getuid?.() === 0);
/** Numbers that nobody has. */
const READER = { uid: 71_001 };
const ACTOR = { uid: 71_002 };
const OPS = 72_001;
const STRANGER = { uid: 71_009 };

const socketOf = (service: HostedService) => join(service.folder, 'run', 'control.sock');

/** The entries of the log so far, by event. */
function entries(service: HostedService, event: string): Record<string, unknown>[] {
  return service.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((entry) => entry.event === event);
}

async function startOpen(control: string): Promise<HostedService> {
  const service = await HostedService.start({ workers: 1, toml: `[control]\n${control}` });
  letOthersPass(service);
  return service;
}

asRoot('the control socket', () => {
  test('is for root and the user of the service alone unless the config says otherwise', async () => {
    await using service = await HostedService.start({ workers: 1 });
    letOthersPass(service);
    expect(statSync(socketOf(service)).mode & 0o777).toBe(0o600);
    const { status, stderr } = await batondAs(STRANGER, service, 'reload');
    expect(stderr).toMatch(/^batond: you are uid 71009, who may not connect to .*control\.sock: ask as root/);
    expect(status).toBe(77);
  });

  test('lets a reader read and not act, and says what is lacking', async () => {
    await using service = await startOpen(`read = ["user:${READER.uid}"]`);
    expect(statSync(socketOf(service)).mode & 0o777).toBe(0o666);
    const seen = await batondAs(READER, service, 'status', '--json');
    expect(JSON.parse(seen.stdout)).toMatchObject({ name: 'shop', state: 'serving' });
    expect((await batondAs(READER, service, 'report', '--list')).status).toBe(0);
    expect((await batondAs(READER, service, 'history')).status).toBe(0);
    for (const [command, what] of [
      ['reload', 'reload shop'],
      ['rollback', 'roll back shop'],
      ['stop', 'stop shop'],
    ] as const) {
      const { status, stderr } = await batondAs(READER, service, command);
      expect(stderr).toMatch(
        new RegExp(`^batond: you are uid 71001, who may not ${what}: .*"user:71001".*control\\.act`),
      );
      expect(status).toBe(77);
    }
    const { status, stderr } = await batondAs(STRANGER, service, 'status');
    expect(stderr).toMatch(/^batond: you are uid 71009, who may not see the status of shop: .*control\.read/);
    expect(status).toBe(77);
    expect(await service.generation()).toBe(1);
    expect(entries(service, 'refused')).toEqual([
      expect.objectContaining({
        level: 40,
        peerUid: 71_001,
        peerPid: expect.any(Number),
        code: 'NOT_PERMITTED',
        peerComm: expect.any(String),
      }),
      expect.objectContaining({ peerUid: 71_001, asked: 'may not roll back shop (POST /v1/rollback)' }),
      expect.objectContaining({ peerUid: 71_001, asked: 'may not stop shop (POST /v1/stop)' }),
      expect.objectContaining({ peerUid: 71_009, asked: 'may not see the status of shop (GET /v1/status)' }),
    ]);
  });

  test('lets members of a group connect by its mode, by whichever of their groups, and lets actors read', async () => {
    await using service = await startOpen(`act = ["group:${OPS}"]`);
    const { mode, gid } = statSync(socketOf(service));
    expect([mode & 0o777, gid]).toEqual([0o660, OPS]);
    const member = { ...ACTOR, groups: [72_900, OPS] };
    expect((await batondAs(member, service, 'status')).status).toBe(0);
    expect((await batondAs({ uid: 71_003, gid: OPS }, service, 'status')).status).toBe(0);
    const reload = await batondAs(member, service, 'reload', '--no-old-after', '5s');
    expect(reload.status, reload.stderr).toBe(0);
    expect((await batondAs(STRANGER, service, 'status')).status).toBe(77);
    const audit = entries(service, 'audit');
    expect(audit).toEqual([
      expect.objectContaining({ action: 'reload', outcome: 'asked', peerUid: ACTOR.uid, noOldAfterMs: 5_000 }),
      expect.objectContaining({ action: 'reload', outcome: 'done', peerUid: ACTOR.uid, generation: 2 }),
    ]);
    expect(audit[0]!.peerPid).toBe(audit[1]!.peerPid);
    expect((await batondAs(member, service, 'stop')).status).toBe(0);
    expect(await service.exit).toBe(0);
    expect(entries(service, 'audit').at(-1)).toMatchObject({ action: 'stop', outcome: 'asked', peerUid: ACTOR.uid });
  });

  test('has a rollback on record with what was asked for and what came of it', async () => {
    await using service = await startOpen(`act = ["user:${ACTOR.uid}"]`);
    expect((await batondAs(ACTOR, service, 'rollback', '--to', '7')).status).not.toBe(0);
    service.deploy('answers');
    expect((await service.reload()).status).toBe(0);
    const { status, stderr } = await batondAs(ACTOR, service, 'rollback');
    expect(status, stderr).toBe(0);
    expect(entries(service, 'audit').filter(({ action }) => action === 'rollback')).toEqual([
      expect.objectContaining({ outcome: 'asked', peerUid: ACTOR.uid, to: 7 }),
      expect.objectContaining({ outcome: 'NO_ROLLBACK_TARGET', peerUid: ACTOR.uid, to: 7 }),
      expect.objectContaining({ outcome: 'asked', peerUid: ACTOR.uid, to: null }),
      expect.objectContaining({ outcome: 'done', peerUid: ACTOR.uid, generation: 3, release: 'r1@1.0.0' }),
    ]);
  });

  test('follows a changed config without a reload', async () => {
    await using service = await startOpen(`act = ["user:${ACTOR.uid}"]`);
    const access = () => {
      const { mode, gid } = statSync(socketOf(service));
      return [mode & 0o777, gid];
    };
    const becomes = (wanted: readonly number[]) =>
      eventually(access, (seen) => seen.join() === wanted.join(), { what: () => `${wanted}; log:\n${service.log}` });
    expect((await batondAs(ACTOR, service, 'reload')).status).toBe(0);
    service.configure({ workers: 1, toml: `[control]\nread = ["group:${OPS}"]` });
    await becomes([0o660, OPS]);
    // By the supervisor, not by the kernel: who can connect has no right by that.
    chmodSync(socketOf(service), 0o666);
    expect((await batondAs(ACTOR, service, 'reload')).status).toBe(77);
    expect((await batondAs({ ...ACTOR, groups: [OPS] }, service, 'reload')).stderr).toContain('may not reload shop');
    expect((await batondAs({ ...ACTOR, groups: [OPS] }, service, 'status')).status).toBe(0);
    service.configure({ workers: 1 });
    await becomes([0o600, OPS]);
  });

  test('refuses a reload whose config names somebody who is not there, with the line', async () => {
    await using service = await HostedService.start({ workers: 1 });
    service.configure({ workers: 1, toml: '[control]\nact = ["user:no-such-user-here"]' });
    const { status, verdict } = await service.reload();
    expect(status).toBe(1);
    expect(verdict?.message).toMatch(/batond\.toml:7: control\.act\[0\]: .* there is no user no-such-user-here/);
    const audit = entries(service, 'audit');
    expect(audit.map(({ outcome }) => outcome)).toEqual(['asked', 'SUCCESSOR_REFUSED']);
  });

  test('an attempt in a loop is a few entries, and the number of the others', async () => {
    await using service = await startOpen(`read = ["user:${READER.uid}"]`);
    chmodSync(socketOf(service), 0o666);
    for (let n = 0; n < 12; n++) expect((await batondAs(STRANGER, service, 'reload')).status).toBe(77);
    expect(entries(service, 'refused')).toHaveLength(5);
    await service.stop();
    expect(entries(service, 'refused').at(-1)).toMatchObject({ peerUid: STRANGER.uid, swallowed: 7, level: 40 });
  });
});

asRoot('a folder in /tmp that somebody made in our name', () => {
  test('is not asked by any command, and no service starts in it', async () => {
    const { uid } = STRANGER;
    const folder = `/tmp/batond-${uid}`;
    mkdirSync(join(folder, 'shop'), { recursive: true });
    try {
      const env = { PATH: process.env.PATH, HOME: '/' };
      const entry = fileURLToPath(new URL('../fixtures/apps/answers-http.mjs', import.meta.url));
      for (const args of [
        ['status', '--name', 'shop'],
        ['run', entry, '--name', 'shop', '--runtime', NODE],
      ]) {
        const { status, stderr } = await runAs(STRANGER, [NODE, MAIN, ...args], env);
        expect(stderr).toMatch(/^batond: \/tmp\/batond-71009 cannot be trusted: it belongs to uid 0, not to uid 71009/);
        expect(status).toBe(73);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a client that misbehaves', () => {
  const open = (service: HostedService) =>
    new Promise<Socket>((resolve, reject) => {
      const socket = connect(socketOf(service));
      socket.on('error', reject);
      socket.on('connect', () => resolve(socket));
    });
  const ended = (socket: Socket) =>
    new Promise<string>((resolve) => {
      let text = '';
      socket.removeAllListeners('error');
      socket.on('error', () => {});
      socket.setEncoding('utf8');
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('close', () => resolve(text));
    });

  test('by an address that is none is told so, and nothing else happens', async () => {
    await using service = await HostedService.start({ workers: 1 });
    for (const path of ['//', '/v1/status%', '/v1/reports/99999999999999999', 'http://[']) {
      const socket = await open(service);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: batond\r\n\r\n`);
      expect(await ended(socket), path).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    expect((await service.status()).state).toBe('serving');
    await service.expectNoLeftovers();
  });

  test('by saying it slowly, byte for byte, loses its connection, and delays nobody', async () => {
    await using service = await HostedService.start({ workers: 1 });
    expect((await service.reload()).status).toBe(0);
    const { supervisor } = await service.status();
    const slow = await open(service);
    slow.write('GET /v1/status HTTP/1.1\r\nX: ');
    const drip = setInterval(() => slow.write('x'), 200);
    expect(await ended(slow)).toBe('');
    clearInterval(drip);
    const { supervisor: after } = await service.status();
    expect(after.pid).toBe(supervisor.pid);
    const slower = await open(service);
    slower.write('POST');
    expect((await service.reload()).status).toBe(0);
    slower.destroy();
  });

  test('by many requests on one connection, a long header or a long body loses its connection', async () => {
    await using service = await HostedService.start({ workers: 1 });
    for (const text of [
      'GET /v1/status HTTP/1.1\r\nHost: b\r\n\r\n'.repeat(1_000),
      `GET /v1/status HTTP/1.1\r\nHost: b\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      `POST /v1/nothing HTTP/1.1\r\nHost: b\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(900_000)}`,
    ]) {
      const socket = await open(service);
      const over = ended(socket);
      socket.write(text);
      expect(((await over).match(/HTTP\/1\.1 2/g) ?? []).length).toBeLessThanOrEqual(1);
    }
    await service.expectNoLeftovers();
  });

  test('by a hundred connections leaves places for others', async () => {
    await using service = await HostedService.start({ workers: 1 });
    const sockets: Socket[] = [];
    for (let n = 0; n < 100; n++) sockets.push(await open(service));
    const closed = await eventually(
      () => sockets.filter(({ closed }) => closed).length,
      (count) => count >= 52,
      { what: () => 'what is too many is closed' },
    );
    expect(closed).toBeLessThan(100);
    expect(entries(service, 'refused')[0]).toMatchObject({ asked: 'one connection too many' });
    for (const socket of sockets) socket.destroy();
    await service.untilServing();
  });
});
