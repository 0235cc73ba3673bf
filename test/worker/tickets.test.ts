/** Who brings ticket keys of its own keeps them; everybody else gets the supervisor's, one set a listener. */
import { expect, test } from 'vitest';
import { startWorker } from './fake-supervisor.ts';

test('an app that takes care of its tickets is left alone, and a renewed certificate changes no keys', async () => {
  await using worker = startWorker('tickets-of-its-own.mjs');
  await worker.next('ready');
  worker.send({ type: 'tickets', secret: Buffer.alloc(48, 1).toString('base64') });
  await worker.ping();
  worker.process.stdin!.write('go\n');
  await worker.said('done');
  // Given again, as after a rotation: what the app has set meanwhile stays.
  worker.send({ type: 'tickets', secret: Buffer.alloc(48, 1).toString('base64') });
  await worker.ping();
  worker.process.stdin!.write('tell\n');
  await worker.said('}');
  expect(JSON.parse(worker.stdout.replace('done', ''))).toEqual({
    option: true,
    method: true,
    later: true,
    clientCertificates: true,
    none: false,
    differ: true,
    renewed: true,
  });
});
