/**
 * WebSocket clients in a process of their own: each sends numbered messages, the next when the last has been echoed, and
 * counts whatever is not exactly the next echo or the next tick. A third compresses, a third sends fragments.
 *
 * Arguments: port, count, pause between two messages in ms. Says "open" when all are, prints what it has seen as JSON
 * when its standard input ends.
 */
import { createHash } from 'node:crypto';
import WebSocket from 'ws';

const [port, count, gapMs] = process.argv.slice(2).map(Number);
const seen = { echoes: 0, ticks: 0, closed: [], wrong: [], unanswered: 0, pids: 0, longestMs: 0 };
const pids = new Set();
let stopping = false;
let running = count;

/** Text that does not repeat within one window of compression, and repeats beyond it. */
const textOf = (n) =>
  createHash('sha512')
    .update(String(n % 97))
    .digest('hex')
    .repeat(1 + (n % 40));

function run(index) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/${index}`, { perMessageDeflate: index % 3 === 1 });
  let sent = 0;
  let ticks = 0;
  let sentAt = 0;
  const send = () => {
    if (stopping) {
      finish();
      return;
    }
    const text = `${++sent} ${textOf(sent)}`;
    sentAt = performance.now();
    if (index % 3 !== 2) ws.send(text);
    else {
      const cut = 1 + (sent % text.length);
      ws.send(text.slice(0, cut), { fin: false });
      setImmediate(() => ws.send(text.slice(cut), { fin: true }));
    }
  };
  const finish = () => {
    ws.removeAllListeners('close');
    ws.close();
    ws.once('close', () => {
      if (--running === 0) report();
    });
  };
  const complain = (what) => seen.wrong.length < 20 && seen.wrong.push(`client ${index}: ${what}`);
  ws.on('message', (data) => {
    const [kind, number, pid, ...rest] = String(data).split(' ');
    pids.add(pid);
    if (kind === 'tick') {
      if (Number(number) !== ++ticks) complain(`tick ${number} instead of ${ticks}`);
      seen.ticks++;
      return;
    }
    if (Number(number) !== sent) complain(`echo ${number} instead of ${sent}`);
    if (rest.join(' ') !== `${sent} ${textOf(sent)}`) complain(`another text in echo ${number}`);
    seen.echoes++;
    seen.longestMs = Math.max(seen.longestMs, performance.now() - sentAt);
    setTimeout(send, gapMs);
  });
  ws.on('close', (code, reason) => {
    seen.closed.push(`client ${index}: ${code} ${reason} after ${sent}`);
    running--;
  });
  ws.on('error', (error) => complain(error.message));
  return new Promise((resolve) => {
    ws.once('open', () => {
      resolve();
      send();
    });
  });
}

function report() {
  seen.pids = pids.size;
  seen.unanswered = running;
  console.log(JSON.stringify(seen));
  process.exit(0);
}

await Promise.all(Array.from({ length: count }, (_, index) => run(index)));
console.log('open');
process.stdin.resume().on('end', () => {
  stopping = true;
  // Whoever waits for an echo that never comes is counted.
  setTimeout(report, 5_000).unref();
  if (running === 0) report();
});
