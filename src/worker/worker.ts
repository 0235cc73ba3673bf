/**
 * One worker, put together: each message of the supervisor on the left, what does it on the right.
 *
 * Nothing in here may throw into the app, print, or handle a signal. Where the addon cannot be loaded the app runs as
 * without us, and the supervisor finds out by its deadline.
 */
import { CHANNEL_VERSION, LAST_WORDS, type ToWorker, type WorkerStart } from '../channel/messages.js';
import { type Fd, native } from '../native.js';
import { Answers } from './answers.js';
import { AppHealth } from './app-health.js';
import { offerToApp } from './app-side.js';
import { Channel } from './channel.js';
import { Connections } from './connections.js';
import { ManagedDatagrams } from './datagrams.js';
import type { Detail } from './detail.js';
import { Divert } from './divert.js';
import { Drain } from './drain.js';
import { entryEvaluated } from './entry.js';
import { reportFatal, reportOutOfMemory } from './fatal.js';
import { holdings } from './holdings.js';
import { Http2Sessions } from './http2-sessions.js';
import { inject } from './inject.js';
import { Links } from './links.js';
import { ManagedServers } from './listen.js';
import { LoopDelay } from './loop-delay.js';
import { measure } from './measures.js';
import { MigratableKinds } from './migratable.js';
import { MoveIn } from './move-in.js';
import { MoveOut } from './move-out.js';
import { endWithoutSupervisor, ORPHAN_DRAIN_MS } from './orphan.js';
import { Readiness } from './readiness.js';
import type { Startup } from './startup.js';
import { AppState } from './state.js';
import { Tickets } from './tickets.js';

export async function startWorker(json: string): Promise<void> {
  try {
    const start = JSON.parse(json) as WorkerStart;
    native();
    const { profile } = start;
    // Hardly anybody is ever started for that.
    const startup = profile === undefined ? null : new (await import('./startup.js')).Startup(profile);
    run(start, startup);
  } catch {
    // A broken start must not take the app down with it.
  }
}

function run(start: WorkerStart, startup: Startup | null): void {
  const channel = new Channel(start.fd);
  const readiness = new Readiness(start.ready, start.datagramsAreEnough, (by) => {
    startup?.ready(channel);
    channel.send({ type: 'ready', by });
  });
  const answers = new Answers();
  const connections = new Connections((server) => servers.manages(server), answers);
  const sessions = new Http2Sessions(answers);
  const delay = new LoopDelay();
  const tickets = new Tickets();
  const datagrams = new ManagedDatagrams(channel, readiness);
  const servers = new ManagedServers(channel, readiness, (server, name) => {
    startup?.mark('listen');
    sessions.follow(server);
    tickets.follow(server, name);
  });
  const kinds = new MigratableKinds(() => drain.look());
  const links = new Links({
    fromSender: (link, message, fds) => moveIn.received(link, message, fds),
    fromReceiver: (link, message) => moveOut.accepted(link, message),
    closed: (link, ended) => {
      moveIn.closed(link, ended);
      moveOut.closed(link);
    },
  });
  /** To workers of a candidate that are handed new connections; what they offer of their own is taken as well. */
  const takers = new Links({
    fromSender: (link, message, fds) => moveIn.received(link, message, fds),
    fromReceiver: (link, message) => divert.accepted(link, message),
    closed: (link, ended) => {
      moveIn.closed(link, ended);
      divert.closed(link);
    },
  });
  const divert = new Divert(takers);
  const endDivert = () => {
    servers.divert(null);
    divert.end();
  };
  const moveIn = new MoveIn(servers, kinds, () => drain.look());
  const moveOut = new MoveOut(servers, connections, links, kinds, () => drain.look());
  const drain = new Drain(servers, connections, sessions, { links, out: moveOut, in: moveIn });
  const state = new AppState(channel);
  const health = new AppHealth(channel);
  const app = offerToApp(start.ready, () => readiness.notified(), { kinds, state, health });

  /** There once the worker was scraped. */
  let detail: Detail | null = null;
  const sayMeasures = (id: number): void =>
    channel.send({ type: 'measures', id, ...measure({ connections, sessions, answers, delay }, detail?.seen ?? null) });
  const scraped = async (id: number): Promise<void> => {
    const { Detail, SCRAPED_DELAY_EVERY_MS, SCRAPED_FOR_MS } = await import('./detail.js');
    detail ??= new Detail();
    detail.watch();
    delay.watch(SCRAPED_FOR_MS, SCRAPED_DELAY_EVERY_MS);
    sayMeasures(id);
  };
  /** What it has counted since it was asked last would be lost with it, and nobody can ask one that ends. */
  const sayLast = (): void => {
    try {
      sayMeasures(LAST_WORDS);
    } catch {
      // Without a descriptor left Node cannot say how much memory it has. The app ends as it would without us.
    }
  };
  process.on('exit', sayLast);

  const handle = (message: ToWorker, fd: Fd | null): void => {
    switch (message.type) {
      case 'ping':
        channel.send({ type: 'pong', id: message.id });
        break;
      case 'open':
        endDivert();
        servers.open(message.on ?? 'all');
        // A socket of UDP has no second one.
        if (message.on !== 'canary') datagrams.open();
        channel.send({ type: 'opened', id: message.id, on: message.on ?? 'all' });
        break;
      case 'canary':
        if (fd !== null) servers.takeCanary(message.name, fd);
        break;
      case 'pause':
        endDivert();
        servers.pause();
        datagrams.pause();
        channel.send({ type: 'paused', id: message.id });
        break;
      case 'drain':
        endDivert();
        datagrams.end();
        drain.begin(message.idle, (tally) =>
          datagrams.whenAnswered(() => {
            sayLast();
            channel.send({ type: 'drained', id: message.id, tally });
          }),
        );
        app.draining(message.timeoutMs, message.idle);
        break;
      case 'link':
        if (fd !== null) (message.takes === true ? takers : links).add(fd, message.peer);
        break;
      case 'divert':
        endDivert();
        divert.begin(message.diversion, message.listeners);
        servers.divert((gate, client) => divert.take(gate, client));
        break;
      case 'measure':
        if (message.delay === true) delay.watch();
        if (message.scraped === true) void scraped(message.id);
        else sayMeasures(message.id);
        break;
      case 'attend':
        channel.send({
          type: 'standing',
          id: message.id,
          ready: readiness.said,
          open: servers.accepts !== null,
          ...(servers.accepts !== null && { on: servers.accepts }),
          draining: servers.ended,
          listening: [...servers.names(), ...datagrams.names()],
        });
        health.repeat();
        break;
      case 'resources':
        channel.send({ type: 'holdings', id: message.id, ...holdings(health.readGauges()) });
        break;
      case 'check':
        void health.asked(message);
        break;
      case 'examine':
        // Hardly anybody is ever asked this.
        void import('./examine.js').then(({ examine }) => examine(message, channel));
        break;
      case 'enough':
        void import('./examine.js').then(({ enough }) => enough(message.id));
        break;
      case 'tickets':
        tickets.use(Buffer.from(message.secret, 'base64'));
        break;
      case 'save':
        void state.asked(message);
        break;
      case 'restore':
        if (fd !== null) state.given(message, fd);
        break;
      case 'inject':
        if (fd !== null) inject(fd, servers, connections);
        break;
      default:
        // An answer that nobody waits for any more, or a message of a newer supervisor.
        if (fd !== null) native().close(fd);
    }
  };

  channel.start(handle, () => {
    endWithoutSupervisor(drain);
    app.draining(ORPHAN_DRAIN_MS, 'wait');
  });
  channel.send({ type: 'hello', version: CHANNEL_VERSION, node: process.version, canaries: true });
  reportFatal(channel);
  if (start.reports !== undefined) reportOutOfMemory(start.reports);
  entryEvaluated().then(() => {
    startup?.mark('evaluated');
    readiness.evaluated();
  });
}
