/**
 * Looks at a service again and again, and shows it: `batond status --watch`. It asks no more than one thing at a time,
 * outlives takeovers and the service itself, for which it waits, and leaves the terminal as it found it.
 */

import type { ControlClient } from '../control/client.js';
import type { ServiceEvent } from '../events/event.js';
import { wantsColor } from '../log-format.js';
import { monotonicMs } from '../process/monotonic.js';
import { frame } from './frame.js';
import type { Look } from './rates.js';
import { onKey, openScreen } from './screen.js';
import { after, type Timeline } from './timeline.js';

export interface WatchOptions {
  readonly name: string;
  readonly client: Pick<ControlClient, 'status' | 'events'>;
  readonly intervalMs: number;
  readonly env: NodeJS.ProcessEnv;
}

/** Ctrl-C comes as a key where the terminal gives keys as they are typed. */
const ENDS: ReadonlySet<string> = new Set(['q', 'Q', '\x03', '\x04']);

/** Resolves when it is told to end: by q, Ctrl-C, a signal, or a reader that has gone. */
export async function watch({ name, client, intervalMs, env }: WatchOptions): Promise<void> {
  const { stdout, stdin } = process;
  let ended = false;
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = () => {
      ended = true;
      resolve();
    };
  });
  let look: Look | null = null;
  let before: Look | null = null;
  let trouble: string | null = null;
  let timeline: Timeline | null = null;
  let lastEvent = 0;

  const screen = openScreen(stdout, env);
  const color = wantsColor(stdout.isTTY === true, env);
  const draw = () => {
    if (ended) return;
    const view = { name, look, before, trouble, timeline, nowAt: Date.now() };
    screen.show(frame(view, { width: screen.width, color, hint: screen.live ? 'q ends' : null }));
  };
  const event = (heard: ServiceEvent) => {
    // Each connection begins with all that is kept.
    if (heard.id <= lastEvent) return;
    lastEvent = heard.id;
    timeline = after(timeline, heard);
  };

  let following = false;
  /** The supervisor that tells no events: it is too old, or too many listen. */
  let silent: number | null = null;
  const follow = (pid: number) => {
    if (following || pid === silent) return;
    following = true;
    const over = () => {
      following = false;
    };
    const failed = () => {
      silent = pid;
    };
    void client
      .events({ event, missed: () => {} }, { sinceMs: null, follow: true })
      .catch(failed)
      .then(over);
  };

  const poll = async () => {
    try {
      const status = await client.status();
      before = look;
      look = { status, atMs: monotonicMs() };
      trouble = null;
      follow(status.supervisor.pid);
    } catch (error) {
      trouble = `${(error as Error).message} (waiting for it)`;
      // What it counts next is of other workers, or of a time that nobody looked at.
      look = null;
    }
  };

  const restoreKeys = onKey(stdin, (key) => ENDS.has(key) && end());
  const resized = () => screen.live && draw();
  stdout.on('resize', resized);
  stdout.on('error', end);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  try {
    while (!ended) {
      const next = new Promise<void>((resolve) => setTimeout(resolve, intervalMs));
      await Promise.race([poll(), over]);
      draw();
      await Promise.race([next, over]);
    }
  } finally {
    restoreKeys();
    screen.close();
  }
}
