// The load of the throughput measurement, in a process of its own: so many kept connections, each with one request in
// flight. All answers have the same length, so that bytes are counted and nothing is parsed: the client must need less
// of its core than the app of its own.
//
//   parent -> client   {"port":P,"connections":32,"seconds":1.5} a line
//   client -> parent   {"perSecond":N,"requests":M} a line

import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const request = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
const deadlineMs = 10_000;

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
for await (const line of lines) {
  process.stdout.write(`${JSON.stringify(await measure(JSON.parse(line)))}\n`);
}

async function measure({ port, connections, seconds }) {
  const length = await lengthOfAnswer(port);
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  let answers = 0;
  let over = false;
  const start = performance.now();
  const ended = sockets.map(
    (socket) =>
      new Promise((resolve, reject) => {
        let bytes = 0;
        socket.on('data', (chunk) => {
          bytes += chunk.length;
          if (bytes < length) return;
          bytes -= length;
          answers += 1;
          if (over) resolve();
          else socket.write(request);
        });
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('a connection was closed while it was measured')));
        socket.write(request);
      }),
  );
  const all = Promise.all(ended);
  all.catch(() => {});
  await Promise.race([new Promise((resolve) => setTimeout(resolve, seconds * 1000)), all]);
  const perSecond = (answers * 1000) / (performance.now() - start);
  over = true;
  await all;
  for (const socket of sockets) socket.removeAllListeners('close').destroy();
  return { perSecond, requests: answers };
}

function open(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
    socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`no answer within ${deadlineMs} ms`)));
  });
}

async function lengthOfAnswer(port) {
  const socket = await open(port);
  socket.write(request);
  let text = '';
  for await (const chunk of socket) {
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) continue;
    const length = end + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1]);
    if (text.length >= length) return length;
  }
  throw new Error('the app gave no whole answer');
}
