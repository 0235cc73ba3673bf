// What is moved about: an ordinary HTTP server.
import { createServer } from 'node:http';

const server = createServer((_request, response) => response.end('ok'));
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1');
