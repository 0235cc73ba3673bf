/** A worker that serves and one that will, with one listener between them. */
import { Client } from './client.ts';
import { type FakeWorker, Listeners, startWorker } from './fake-supervisor.ts';

export interface Pair extends AsyncDisposable {
  readonly sender: FakeWorker;
  readonly receiver: FakeWorker;
  readonly listeners: Listeners;
  connect(): Promise<Client>;
}

/** The sender accepts; the receiver is ready and its gate closed. */
export async function startPair(args: readonly string[] = [], receiverArgs = args): Promise<Pair> {
  const listeners = new Listeners();
  const sender = startWorker('moves-http.mjs', { args }, listeners);
  await sender.next('ready');
  await sender.open();
  const receiver = startWorker('moves-http.mjs', { args: receiverArgs }, listeners);
  await receiver.next('ready');
  return {
    sender,
    receiver,
    listeners,
    connect: () => Client.connect(listeners.port()),
    async [Symbol.asyncDispose]() {
      sender.process.kill('SIGCONT');
      receiver.process.kill('SIGCONT');
      await sender[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
    },
  };
}

export const pidOf = async (client: Client): Promise<number> => Number((await client.get('/pid')).body);
