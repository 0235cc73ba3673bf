/** Single requests, where a load would say too much. */
import { get } from 'node:http';

export interface Asked {
  /** When the rest of the answer has come; rejects where it is cut. */
  readonly body: Promise<string>;
}

/** Resolves when the answer has begun: from then on the request is in flight. Each has a connection of its own. */
export function ask(port: number, path = '/'): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      const body = new Promise<string>((done, failed) => {
        response.on('end', () => done(text));
        response.on('error', failed);
      });
      // Somebody may look at it only later, or not at all.
      body.catch(() => {});
      resolve({ body });
    });
    request.on('error', reject);
  });
}

/** What the fixture says of itself. */
export async function whoAnswers(port: number): Promise<{ readonly release: string; readonly pid: number }> {
  return JSON.parse(await (await ask(port)).body);
}
