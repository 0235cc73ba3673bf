/**
 * Closes the WebSockets that are still here when the drain nears its end, a moment before SIGTERM would cut them. Each
 * gets its own moment, by chance, so that not all clients come back at once: those that may yet move in the second half
 * of the time, others from the beginning. The last tenth is left for the closing handshakes.
 */
import { onDrain } from '../index.js';
import { OPEN } from './internals.js';
import type { AnyWebSocket } from './types.js';

/** Close codes of RFC 6455, 7.4.1 and its registry. */
const GOING_AWAY = 1001;
const SERVICE_RESTART = 1012;

const LAST = 0.9;
const HALF = 0.5;

export class Farewell {
  readonly #timers = new Map<AnyWebSocket, NodeJS.Timeout | null>();
  readonly #mayMove: (ws: AnyWebSocket) => boolean;
  #begun: { readonly atMs: number; readonly timeoutMs: number; readonly stopping: boolean } | null = null;

  constructor(mayMove: (ws: AnyWebSocket) => boolean) {
    this.#mayMove = mayMove;
    onDrain(({ timeoutMs, stopping }) => {
      this.#begun = { atMs: performance.now(), timeoutMs, stopping };
      for (const ws of this.#timers.keys()) this.#arm(ws);
    });
  }

  add(ws: AnyWebSocket): void {
    this.#timers.set(ws, null);
    ws.on('close', () => this.remove(ws));
    this.#arm(ws);
  }

  remove(ws: AnyWebSocket): void {
    clearTimeout(this.#timers.get(ws) ?? undefined);
    this.#timers.delete(ws);
  }

  #arm(ws: AnyWebSocket): void {
    if (this.#begun === null) return;
    const { atMs, timeoutMs, stopping } = this.#begun;
    if (stopping) {
      close(ws, GOING_AWAY, 'service stops');
      return;
    }
    const from = this.#mayMove(ws) ? HALF : 0;
    const moment = timeoutMs * (from + Math.random() * (LAST - from));
    const left = Math.max(0, atMs + moment - performance.now());
    const timer = setTimeout(() => close(ws, SERVICE_RESTART, 'service restart'), left);
    timer.unref();
    this.#timers.set(ws, timer);
  }
}

function close(ws: AnyWebSocket, code: number, reason: string): void {
  if (ws.readyState === OPEN) ws.close(code, reason);
}
