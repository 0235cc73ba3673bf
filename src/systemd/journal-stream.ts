/**
 * A journal stream: a connection to journald that becomes the stdout or stderr of a worker, so that its lines are in the
 * journal under its own pid. journald takes the pid from each message (SO_PASSCRED, unix(7)), not from who connected.
 */
import { fstatSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { Descriptor } from '../inventory/descriptor.js';
import { type Fd, native } from '../native.js';

export const JOURNAL_STREAM_SOCKET = '/run/systemd/journal/stdout';

export interface JournalStreamOptions {
  /** SYSLOG_IDENTIFIER. */
  readonly identifier: string;
  /**
   * Of a line without a prefix, syslog(3). 6 (info) is what systemd gives a service's stdout; stderr is better at 4
   * (warning), so that `journalctl -p warning` shows a crash, and not at 3, since many programs log to it all they say.
   */
  readonly priority: number;
  /** Whether "<3>" at the start of a line is its priority, sd-daemon(3); as in any unit by default. */
  readonly levelPrefix?: boolean;
  /** The unit that lines belong to when their writer has ended before journald looks; believed from root only. */
  readonly unit?: string;
  /** Duplicated where journald cannot be reached: a worker without a journal is better than no worker. 2 by default. */
  readonly fallback?: Fd;
  /** Only tests have another. */
  readonly socket?: string;
}

/** The descriptor is the caller's. It is blocking, as programs expect of their standard streams. */
export function openJournalStream(options: JournalStreamOptions): Fd {
  const { fallback = 2, socket: path = JOURNAL_STREAM_SOCKET, unit = ownUnit() } = options;
  const stream = new Descriptor(native().unixSocket('stream'));
  try {
    native().connectUnix(stream.fd, path);
    const header = encodeStreamHeader({ ...options, unit });
    // Not shut down for reading: journald never writes, and nobody reads from a stdout.
    if (native().send(stream.fd, header) !== header.length) throw new Error('journald does not take the header');
    makeBlocking(stream.fd);
    return stream.take();
  } catch {
    stream.close();
    return native().dup(fallback);
  }
}

/** The lines that journald expects first (journald-stream.c): the last three would forward to syslog, kmsg and console. */
export function encodeStreamHeader(options: Omit<JournalStreamOptions, 'fallback' | 'socket'>): Buffer {
  const { identifier, unit = '', priority, levelPrefix = true } = options;
  const lines = [identifier, unit, String(priority), levelPrefix ? '1' : '0', '0', '0', '0'];
  if (lines.some((line) => /[\n\0]/.test(line))) throw new RangeError('a line of the header holds a newline');
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** Whether one of our standard streams is the journal's: JOURNAL_STREAM names its device and inode, systemd.exec(5). */
export function isJournalStream(env: NodeJS.ProcessEnv, fds: readonly Fd[] = [1, 2]): boolean {
  const named = env.JOURNAL_STREAM;
  if (named === undefined || !/^\d+:\d+$/.test(named)) return false;
  return fds.some((fd) => {
    try {
      const { dev, ino } = fstatSync(fd, { bigint: true });
      return named === `${dev}:${ino}`;
    } catch {
      return false;
    }
  });
}

/** The service whose cgroup we are in, cgroups(7); empty where there is none. */
export function ownUnit(cgroup: string = readCgroup()): string {
  const path = /^0::(.*)$/m.exec(cgroup)?.[1] ?? '';
  return path.split('/').findLast((part) => part.endsWith('.service')) ?? '';
}

function readCgroup(): string {
  try {
    return readFileSync('/proc/self/cgroup', 'utf8');
  } catch {
    return '';
  }
}

/**
 * The addon's sockets are born non-blocking, and that flag goes with the open file to whoever inherits it: Python's
 * print() would fail with EAGAIN whenever journald is slow. libuv clears it on request; the handle is Node's own way to
 * ask, and works on a duplicate, since the flag is of the file and not of the number.
 */
export function makeBlocking(fd: Fd): void {
  const socket = new Socket({ fd: native().dup(fd), readable: false, writable: true });
  const { _handle: handle } = socket as unknown as { _handle: { setBlocking(on: boolean): number } };
  handle.setBlocking(true);
  socket.destroy();
}
