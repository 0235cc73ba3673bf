// A small shop: an ordinary Express app. Nothing in here knows of batond.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import express from 'express';

const { version, offer } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const who = { release: version, offer, pid: process.pid };
const app = express();

app.get('/', (_request, response) => response.json(who));

// A report that takes its time: so many lines over so many milliseconds.
app.get('/slow', (request, response) => {
  const [ms, lines] = [Number(request.query.ms), Number(request.query.chunks)];
  response.set({ 'x-release': version, 'x-pid': String(process.pid) });
  let line = 0;
  const timer = setInterval(() => {
    response.write(`chunk ${line++} of ${lines} ${'.'.repeat(40)}\n`);
    if (line < lines) return;
    clearInterval(timer);
    response.end();
  }, ms / lines);
});

// A picture of the goods: the answer says what arrived.
app.post('/upload', (request, response) => {
  const hash = createHash('sha256');
  let bytes = 0;
  request.on('data', (piece) => {
    bytes += piece.length;
    hash.update(piece);
  });
  request.on('end', () => response.json({ ...who, bytes, sha256: hash.digest('hex') }));
});

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
