/**
 * The second socket of a TCP listener, for a share of its new connections. Both have one address (SO_REUSEPORT), and a
 * program in the kernel draws a random number for each connection that says which of the two it waits in.
 *
 * The listener joined first and its second socket next, so they are numbers 0 and 1 of the group, for as long as both
 * live. A new program takes the place of the old one in one step: no connection sees none, and what waits already
 * stays where it waits. That is why neither socket is closed as long as anybody may connect.
 */
import { type Fd, native } from '../native.js';

/** What a share of 1 is; shares are whole numbers of these. */
export const WHOLE = 1_000;

// The instructions of classic BPF, linux/filter.h and linux/bpf_common.h.
const LOAD_WORD = 0x20;
const JUMP_IF_AT_LEAST = 0x35;
const RETURN = 0x06;
/** SKF_AD_OFF + SKF_AD_RANDOM: where a random number of 32 bits is loaded from. */
const RANDOM = 0xffff_f000 + 56;

/** `share` thousandths of the random numbers make it 1, the others 0. */
export function shareProgram(share: number): number[] {
  if (share === 0) return [RETURN, 0, 0, 0];
  if (share === WHOLE) return [RETURN, 0, 0, 1];
  const below = Math.round((share / WHOLE) * 2 ** 32);
  return [LOAD_WORD, 0, 0, RANDOM, JUMP_IF_AT_LEAST, 0, 1, below, RETURN, 0, 0, 0, RETURN, 0, 0, 1];
}

/** From here on so many thousandths of the new connections wait in the second socket. */
export function setShare(listener: Fd, share: number): void {
  native().attachReusePortProgram(listener, shareProgram(share));
}

/**
 * A second socket beside a listener, which gets none of the connections yet. (Those that come between the two system
 * calls of its birth may land in it: whoever has it has to accept them.) Throws with a reason where there can be none.
 */
export function openBeside(listener: Fd): Fd {
  const { backlog, ipv6Only, reusePort } = native().listenerInfo(listener);
  if (reusePort) throw new Error('other sockets may share its port (SO_REUSEPORT)');
  const address = native().socketName(listener);
  let fd: Fd | null = null;
  native().setReusePort(listener, true);
  try {
    fd = native().bind({ type: 'stream', address, reuseAddress: true, reusePort: true, ipv6Only });
    native().listen(fd, backlog);
    setShare(listener, 0);
    return fd;
  } catch (error) {
    if (fd !== null) native().close(fd);
    native().setReusePort(listener, false);
    throw new Error(reasonOf(error as NodeJS.ErrnoException), { cause: error });
  }
}

/** The kernel lets sockets of one user share an address, and systemd binds those of a .socket unit as root. */
function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return code === 'EADDRINUSE' ? 'another user has bound it, as systemd does for a .socket unit' : message;
}
