/** A link between two workers with the test in its middle: each message is passed on by hand, or not at all. */
import { MAX_PACKET_BYTES } from '../../src/channel/messages.ts';
import type { FromReceiver, FromSender } from '../../src/channel/peer-messages.ts';
import { type Fd, native } from '../../src/native.ts';
import { DEADLINE_MS, type FakeWorker } from './fake-supervisor.ts';

type Message = FromSender | FromReceiver;

export interface Packet {
  readonly message: Message;
  readonly data: Buffer;
  readonly fds: readonly Fd[];
}

export class Middle implements Disposable {
  readonly #ends: Record<'sender' | 'receiver', Fd>;
  readonly #held = new Set<Packet>();
  #open = true;

  constructor(sender: FakeWorker, receiver: FakeWorker) {
    this.#ends = { sender: sender.linkToTest(), receiver: receiver.linkToTest() };
  }

  /** The next message, which must be of this type. */
  async take(type: Message['type']): Promise<Packet> {
    const end = this.#ends[type === 'accept' ? 'receiver' : 'sender'];
    for (const deadline = Date.now() + DEADLINE_MS; Date.now() < deadline; ) {
      const received = native().receive(end, MAX_PACKET_BYTES, 253);
      if (received === null) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        continue;
      }
      const message = JSON.parse(received.data.toString()) as Message;
      if (message.type !== type) throw new Error(`${message.type} instead of ${type}`);
      const packet = { message, data: received.data, fds: received.fds };
      this.#held.add(packet);
      return packet;
    }
    throw new Error(`no ${type}`);
  }

  pass(packet: Packet): void {
    const end = this.#ends[packet.message.type === 'accept' ? 'sender' : 'receiver'];
    native().send(end, packet.data, { fds: packet.fds });
    this.#drop(packet);
  }

  /** As when either of the two has died: what was passed on can be read, and then the link ends. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const packet of this.#held) this.#drop(packet);
    for (const fd of Object.values(this.#ends)) native().close(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #drop(packet: Packet): void {
    this.#held.delete(packet);
    for (const fd of packet.fds) native().close(fd);
  }
}
