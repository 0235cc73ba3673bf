/** A port of the loopback that nobody has at this moment, below the range from which the kernel gives ports out. */
import { createServer } from 'node:net';

let next = 20_000 + (process.pid % 600) * 20;

export async function freePort(): Promise<number> {
  for (;;) {
    const port = next++;
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
