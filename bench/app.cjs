// The app that is measured: as little of an app as can be, so that what batond costs shows at its largest.
const { createServer } = require('node:http');

const body = `${process.env.RELEASE ?? 'bare'}\n`.padEnd(64, '.');
createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
}).listen(Number(process.env.PORT), '127.0.0.1');
