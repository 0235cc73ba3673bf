/** Whoever of the two falls, at whatever message of a move: the connection has one owner, and its client an answer. */
import { expect, test } from 'vitest';
import { Middle } from './middle.ts';
import { pidOf, startPair } from './pair.ts';

const STEPS = ['offer', 'accept', 'yours'] as const;

interface Fall {
  readonly victim: 'sender' | 'receiver';
  readonly at: (typeof STEPS)[number];
  /** Whether the message reached the other one first. */
  readonly passed: 'before' | 'after';
  readonly answeredBy: 'sender' | 'receiver';
}

/** What is decided is the same as who lives, as long as the sender has not said `yours`. */
const FALLS: Fall[] = STEPS.flatMap((at) =>
  (['sender', 'receiver'] as const).flatMap((victim) =>
    (['before', 'after'] as const).map((passed) => {
      const answeredBy = victim === 'sender' ? ('receiver' as const) : ('sender' as const);
      return { victim, at, passed, answeredBy };
    }),
  ),
).filter(({ victim, at, passed }) => {
  // An offer and its descriptors are with the receiver as soon as they are sent: that they are not cannot happen.
  if (victim === 'sender' && at === 'offer' && passed === 'before') return false;
  // From `yours` on the connection is the receiver's, and lost with it; it is sent as soon as `accept` has been read.
  return !(victim === 'receiver' && (at === 'yours' || (at === 'accept' && passed === 'after')));
});

test.each(FALLS)('the $victim is killed $passed $at is passed on: the $answeredBy answers', async (fall) => {
  const { victim, at, passed, answeredBy } = fall;
  await using pair = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  using middle = new Middle(pair.sender, pair.receiver);
  void pair.sender.drain('move').catch(() => {});
  for (const step of STEPS) {
    const packet = await middle.take(step);
    if (step !== at || passed === 'before') {
      if (step === at) break;
      middle.pass(packet);
      continue;
    }
    middle.pass(packet);
    break;
  }
  pair[victim].process.kill('SIGKILL');
  await pair[victim].exited;
  middle.close();
  const { body, connection } = await client.get('/pid');
  expect(Number(body)).toBe(pair[answeredBy].process.pid);
  expect(connection).toBe(answeredBy === 'sender' ? 'close' : 'keep-alive');
});

test('the receiver is killed between its accept and yours: the sender answers', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  using middle = new Middle(pair.sender, pair.receiver);
  const drained = pair.sender.drain('move');
  middle.pass(await middle.take('offer'));
  const accept = await middle.take('accept');
  pair.sender.process.kill('SIGSTOP');
  middle.pass(accept);
  pair.receiver.process.kill('SIGKILL');
  await pair.receiver.exited;
  middle.close();
  pair.sender.process.kill('SIGCONT');
  expect(await client.get('/pid')).toMatchObject({ body: String(pair.sender.process.pid), connection: 'close' });
  expect((await drained).tally).toEqual({ moved: 0, finished: 0, told: 1, cut: 0 });
});

test('a receiver that is silent loses what it was offered: the sender serves on, and nobody answers twice', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  await pair.receiver.ping();
  pair.sender.link(pair.receiver);
  await pair.receiver.ping();
  pair.receiver.process.kill('SIGSTOP');
  const drained = pair.sender.drain('move');
  // The second ping is answered after the look that follows the drain: by then the offer is out.
  await pair.sender.ping();
  await pair.sender.ping();
  expect(await client.get('/pid')).toMatchObject({ body: String(pair.sender.process.pid), connection: 'close' });
  expect((await drained).tally).toEqual({ moved: 0, finished: 0, told: 1, cut: 0 });
  pair.receiver.process.kill('SIGCONT');
  await pair.receiver.ping();
  expect(await client.ended).toBe('fin');
  expect((await pair.receiver.measure()).connections).toBe(0);
});

test('a sender that stood still between accept and yours is still the owner, and goes on', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  using middle = new Middle(pair.sender, pair.receiver);
  const drained = pair.sender.drain('move');
  middle.pass(await middle.take('offer'));
  const accept = await middle.take('accept');
  pair.sender.process.kill('SIGSTOP');
  client.write('GET /pid HTTP/1.1\r\nHost: test\r\n\r\n');
  middle.pass(accept);
  expect(await client.staysSilent(100)).toBe(true);
  pair.sender.process.kill('SIGCONT');
  middle.pass(await middle.take('yours'));
  expect(Number((await client.answer()).body)).toBe(pair.receiver.process.pid);
  expect((await drained).tally).toMatchObject({ moved: 1 });
});

test('a withdrawal that the receiver reads after the sender has died is still one', async () => {
  await using pair = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  using middle = new Middle(pair.sender, pair.receiver);
  void pair.sender.drain('move').catch(() => {});
  middle.pass(await middle.take('offer'));
  const accept = await middle.take('accept');
  // Nobody passes the accept on, so the sender withdraws, and the receiver is told with the end of the link behind it.
  const withdraw = await middle.take('withdraw');
  pair.receiver.process.kill('SIGSTOP');
  middle.pass(withdraw);
  middle.pass(accept);
  middle.close();
  pair.receiver.process.kill('SIGCONT');
  await pair.receiver.ping();
  expect((await pair.receiver.measure()).connections).toBe(0);
  expect(Number((await client.get('/pid')).body)).toBe(pair.sender.process.pid);
});

test('of two receivers one dies: what it was offered goes to the other', async () => {
  await using pair = await startPair();
  await using other = await startPair();
  using client = await pair.connect();
  await pidOf(client);
  using middle = new Middle(pair.sender, other.receiver);
  const drained = pair.sender.drain('move');
  await middle.take('offer');
  pair.sender.link(pair.receiver);
  // The second round of links, as after the next reload.
  const again = pair.sender.drain('move');
  middle.close();
  expect(await pidOf(client)).toBe(pair.receiver.process.pid);
  await Promise.all([drained, again]);
});
