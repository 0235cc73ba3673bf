/** A request on a connection of its own whose answer has begun and ends when the test says so; then one more on it. */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';

export class HeldAnswer {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;
  readonly #request: ClientRequest;
  readonly #answer: Promise<IncomingMessage>;

  private constructor(port: number) {
    this.#port = port;
    this.#request = request({ host: '127.0.0.1', port, path: '/held', method: 'POST', agent: this.#agent });
    this.#answer = answerTo(this.#request);
    this.#request.write('a');
  }

  /** Resolves when the head of the answer is here, in which the server says that the connection stays. */
  static async begin(port: number): Promise<HeldAnswer> {
    const held = new HeldAnswer(port);
    const { headers } = await held.#answer;
    if (headers.connection !== 'keep-alive') throw new Error(`the answer says Connection: ${headers.connection}`);
    return held;
  }

  finish(): void {
    this.#request.end();
  }

  /** Reads the answer to its end and asks once more: whether on the same connection, and who answered that. */
  async askAgain(): Promise<{ readonly reused: boolean; readonly pid: number }> {
    await bodyOf(await this.#answer);
    const next = request({ host: '127.0.0.1', port: this.#port, agent: this.#agent });
    next.end();
    const { pid } = JSON.parse(await bodyOf(await answerTo(next))) as { pid: number };
    this.#agent.destroy();
    return { reused: next.reusedSocket, pid };
  }
}

function answerTo(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => asked.once('response', resolve).once('error', reject));
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return text;
}
