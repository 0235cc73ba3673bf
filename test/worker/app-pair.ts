/** Two workers of any app with one listener between them: one that serves, and one that will. */
import { type FakeWorker, Listeners, startWorker } from './fake-supervisor.ts';

export interface AppPair extends AsyncDisposable {
  readonly sender: FakeWorker;
  readonly receiver: FakeWorker;
  readonly port: number;
  /** Links the two and lets the sender drain. */
  move(timeoutMs?: number): Promise<{ readonly moved: number; readonly finished: number }>;
}

/** `args` are the app's; the receiver may have others. */
export async function startAppPair(
  app: string,
  args: readonly string[] = [],
  receiver: { readonly app?: string; readonly args?: readonly string[] } = {},
): Promise<AppPair> {
  const listeners = new Listeners();
  const from = startWorker(app, { args }, listeners);
  await from.next('ready');
  await from.open();
  const to = startWorker(receiver.app ?? app, { args: receiver.args ?? args }, listeners);
  await to.next('ready');
  return {
    sender: from,
    receiver: to,
    port: listeners.port(),
    async move(timeoutMs) {
      from.link(to);
      return (await from.drain('move', timeoutMs)).tally;
    },
    async [Symbol.asyncDispose]() {
      await from[Symbol.asyncDispose]();
      await to[Symbol.asyncDispose]();
    },
  };
}
