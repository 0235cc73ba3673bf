/** A UDP service goes on over reloads with one and the same socket, and answers every datagram. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

interface Answer {
  readonly text: string;
  readonly release: string;
  readonly pid: number;
}

/** Sends numbered datagrams all the time and keeps what is answered; loopback loses none but for full buffers. */
class Client {
  readonly answers: Answer[] = [];
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  sent = 0;

  constructor(port: number, type: 'udp4' | 'udp6', everyMs = 2) {
    this.#socket = createSocket(type);
    this.#socket.on('message', (message) => this.answers.push(JSON.parse(message.toString())));
    const host = type === 'udp4' ? '127.0.0.1' : '::1';
    this.#timer = setInterval(() => this.#socket.send(`${this.sent++}`, port, host), everyMs);
  }

  /** Sends no more, and waits for what is still to be answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await eventually(
      () => this.answers.length,
      (answers) => answers >= this.sent,
      { deadlineMs: 3_000, what: () => `${this.sent} answers` },
    ).catch(() => {});
  }

  expectNothingLost(): void {
    const texts = new Set(this.answers.map(({ text }) => text));
    const lost = Array.from({ length: this.sent }, (_, n) => `${n}`).filter((text) => !texts.has(text));
    expect({ lost, twice: this.answers.length - texts.size }).toEqual({ lost: [], twice: 0 });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}

let client: Client | null = null;
afterEach(() => {
  client?.close();
  client = null;
});

describe.each([
  ['udp4', 1, 'no'],
  ['udp4', 3, 'no'],
  ['udp6', 2, 'yes'],
] as const)('an unmodified app on %s with %i workers, reuseAddr: %s', (type, workers, reuse) => {
  test('loses no datagram over five reloads', async () => {
    await using service = await HostedService.start({
      app: 'answers-udp',
      workers,
      env: { UDP_TYPE: type, UDP_REUSE: reuse },
    });
    expect((await service.status()).listeners.map(({ address }) => address)).toEqual([
      `udp ${type === 'udp4' ? '0.0.0.0' : '[::]'}:${service.port}`,
    ]);
    client = new Client(service.port, type);
    for (let n = 2; n <= 6; n++) {
      service.deploy('answers-udp');
      expect((await service.reload()).verdict, service.log).toMatchObject({ ok: true, generation: n });
    }
    await client.stop();
    client.expectNothingLost();
    expect(client.sent).toBeGreaterThan(500);
    expect(new Set(client.answers.map(({ release }) => release)).size).toBe(6);
    await service.expectNoLeftovers();
    expect(await service.stop()).toBe(0);
  });
});

test('a candidate reads nothing before the switch, and a rollback loses nothing', async () => {
  await using service = await HostedService.start({ app: 'answers-udp', workers: 1 });
  client = new Client(service.port, 'udp4');
  // It answers no HTTP, so it boots, binds, and is refused.
  service.configure({ workers: 1, toml: '[upgrade]\nprobe = "/"' });
  service.deploy('answers-udp');
  expect((await service.reload()).verdict).toMatchObject({ ok: false, code: 'CANDIDATE_NOT_ANSWERING' });
  await client.stop();
  client.expectNothingLost();
  expect(new Set(client.answers.map(({ release }) => release))).toEqual(new Set(['r1']));
  await service.expectNoLeftovers();
});

test('with several workers each of them answers some', async () => {
  await using service = await HostedService.start({ app: 'answers-udp', workers: 3 });
  client = new Client(service.port, 'udp4', 1);
  await eventually(
    () => new Set(client?.answers.map(({ pid }) => pid)).size,
    (pids) => pids === 3,
    { what: () => 'all three workers have answered' },
  );
});

test('the port is free when the service has ended', async () => {
  await using service = await HostedService.start({ app: 'answers-udp', workers: 1 });
  await service.stop();
  const socket = createSocket('udp4').bind(service.port);
  await once(socket, 'listening');
  socket.close();
});
