// A port of the loopback that nobody has at this moment, outside the range from which the kernel gives ports out: a
// connection of the load must not come to have it as its own.

import { createServer } from 'node:net';

export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
