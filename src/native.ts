/**
 * The only file that loads the addon, and its typed contract.
 *
 * Every function is one system call, or a sequence that cannot be split. None of them retries (but for EINTR),
 * logs, reads the environment or knows a default. A call that would block answers `null`; an expected answer is a
 * value; a failure is thrown as an Error with `code` ('EMFILE'), `errno` (positive) and `syscall` ('sendmsg').
 * Descriptors are born close-on-exec, and nothing stays open when a call throws.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A raw file descriptor. Whoever holds the number closes it exactly once; see `Descriptor` for an owner. */
export type Fd = number;

export type SocketType = 'stream' | 'dgram' | 'seqpacket';

export type SocketAddress =
  | { readonly family: 'ipv4' | 'ipv6'; readonly address: string; readonly port: number }
  | {
      readonly family: 'unix';
      /** An abstract name starts with a NUL; the empty string is an unnamed socket. */
      readonly path: string;
    };

export interface SocketInfo {
  readonly family: 'ipv4' | 'ipv6' | 'unix';
  readonly type: SocketType;
  readonly listening: boolean;
}

/** What a TCP socket that listens has waiting, and how it is bound. */
export interface ListenerInfo {
  /** Connections that nobody has accepted yet. */
  readonly waiting: number;
  /** How many may wait, as listen(2) was told and the kernel cut it. */
  readonly backlog: number;
  /** IPV6_V6ONLY, ipv6(7); false for other families. */
  readonly ipv6Only: boolean;
  /** SO_REUSEPORT, socket(7). */
  readonly reusePort: boolean;
}

export interface BindOptions {
  readonly type: SocketType;
  readonly address: SocketAddress;
  /** SO_REUSEADDR, socket(7). */
  readonly reuseAddress: boolean;
  /** SO_REUSEPORT, socket(7). */
  readonly reusePort: boolean;
  /** IPV6_V6ONLY, ipv6(7); ignored for other families. */
  readonly ipv6Only: boolean;
}

export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SendOptions {
  /**
   * Descriptors to pass (SCM_RIGHTS, unix(7)); at most 253 a message, they stay open here. They travel with the first
   * byte: a stream without data passes none.
   */
  readonly fds?: readonly Fd[];
  /** Destination of a datagram on an unconnected Unix socket. */
  readonly to?: string;
}

export interface Received {
  /** Empty at the end of a stream or seqpacket socket. */
  readonly data: Buffer;
  readonly fds: readonly Fd[];
  /** The sender as the kernel vouches for it; only after `setPassCredentials`. */
  readonly credentials: Credentials | null;
  /** MSG_TRUNC: the message was longer than `maxBytes`. */
  readonly truncated: boolean;
  /** MSG_CTRUNC: descriptors were lost (more than `maxFds`, or over RLIMIT_NOFILE). */
  readonly fdsTruncated: boolean;
}

export interface Rlimit {
  /** As in getrlimit(2), lower case without the prefix: 'nofile', 'core', 'nproc', ... */
  readonly resource: string;
  /** `null` is RLIM_INFINITY. */
  readonly soft: number | null;
  readonly hard: number | null;
}

export interface SpawnOptions {
  /** Absolute path; no search in PATH. */
  readonly file: string;
  /** argv, the zeroth included. */
  readonly argv: readonly string[];
  /** The whole environment as KEY=VALUE. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** A variable of the environment that says the new process's own pid, such as LISTEN_PID of sd_listen_fds(3). */
  readonly pidVariable?: string | undefined;
  /** `fds[i]` becomes descriptor i of the new process; nothing else is inherited. */
  readonly fds: readonly Fd[];
  /**
   * Whose child it becomes. 'self': ours. 'sibling': our own parent's (CLONE_PARENT, clone(2)), so that systemd gets
   * its exit. 'orphan': of the nearest subreaper or init, by a double fork, for where clone flags are refused.
   */
  readonly parent: 'self' | 'sibling' | 'orphan';
  /** setsid(2): leads a new session and process group. */
  readonly newSession: boolean;
  readonly umask?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  readonly rlimits?: readonly Rlimit[];
  /** PR_SET_NO_NEW_PRIVS, prctl(2). */
  readonly noNewPrivileges?: boolean;
  /** PR_SET_PDEATHSIG, prctl(2): the signal it gets when the thread that made it ends. */
  readonly deathSignal?: number;
  /** /proc/self/oom_score_adj, -1000 to 1000. */
  readonly oomScoreAdjust?: number;
  /** setpriority(2), -20 to 19. */
  readonly nice?: number;
  /** sched_setaffinity(2): the cpus that it may run on. */
  readonly cpus?: readonly number[];
}

export interface Spawned {
  readonly pid: number;
  readonly pidfd: Fd;
}

/** Exactly one of the two is set. */
export interface ExitStatus {
  readonly code: number | null;
  /** The number of the signal, signal(7). */
  readonly signal: number | null;
}

export interface PidfdInfo {
  /** 0 once the process has been reaped, as `parentPid`. */
  readonly pid: number;
  readonly parentPid: number;
  readonly cgroupId: bigint | null;
  /** Set once the process has been reaped, where the kernel remembers it (Linux 6.15, PIDFD_INFO_EXIT). */
  readonly exit: ExitStatus | null;
}

export interface Ready {
  readonly readable: boolean;
  readonly writable: boolean;
  /** POLLHUP, POLLRDHUP or POLLERR, poll(2). */
  readonly hangup: boolean;
}

/**
 * A uv_poll handle on this environment's loop. It never owns the descriptor: close the watcher first, the fd after.
 * After POLLERR libuv has paused it; once it is closed, the other methods do nothing.
 */
export interface Watcher {
  /** Changes what is waited for; neither pauses the watcher (uv_poll_stop). */
  update(interest: { readable: boolean; writable: boolean }): void;
  /** Whether it keeps the event loop alive; it does at first. */
  ref(): void;
  unref(): void;
  /** Stops at once; no callback after it. Idempotent. */
  close(): void;
}

export interface Native {
  /** socketpair(2), AF_UNIX, both ends non-blocking. */
  socketpair(type: SocketType): [Fd, Fd];
  /** socket(2) of AF_UNIX, non-blocking, not bound. */
  unixSocket(type: SocketType): Fd;
  /** socket(2), setsockopt(2), bind(2); non-blocking. */
  bind(options: BindOptions): Fd;
  /** listen(2); on a listening socket it changes the backlog. */
  listen(fd: Fd, backlog: number): void;
  /** connect(2) to a Unix path (abstract with a leading NUL). Throws EAGAIN where the listener's backlog is full. */
  connectUnix(fd: Fd, path: string): void;
  /** sendmsg(2) with MSG_NOSIGNAL and MSG_DONTWAIT. Bytes sent, `null` where it would block. */
  send(fd: Fd, data: Uint8Array, options?: SendOptions): number | null;
  /** recvmsg(2) with MSG_CMSG_CLOEXEC and MSG_DONTWAIT. `null` where nothing is there. */
  receive(fd: Fd, maxBytes: number, maxFds: number): Received | null;
  /** recv(2) with MSG_PEEK and MSG_DONTWAIT: what has come, unconsumed. Empty at the end; `null` where nothing is there. */
  peek(fd: Fd, maxBytes: number): Buffer | null;
  /** poll(2) on one descriptor, blocking this thread. `null` when `timeoutMs` passed (-1: no limit). */
  poll(fd: Fd, interest: { readable: boolean; writable: boolean }, timeoutMs: number): Ready | null;
  /** getsockname(2). */
  socketName(fd: Fd): SocketAddress;
  /** getsockopt(2): SO_DOMAIN, SO_TYPE, SO_ACCEPTCONN. Throws ENOTSOCK for what is no socket. */
  socketInfo(fd: Fd): SocketInfo;
  /** getsockopt(2): SO_PEERCRED. */
  peerCredentials(fd: Fd): Credentials;
  /** getsockopt(2): SO_PEERGROUPS, the supplementary groups of the peer when it connected. ENODATA where none is known. */
  peerGroups(fd: Fd): number[];
  /** setsockopt(2): SO_PASSCRED; `receive` then tells the sender. */
  setPassCredentials(fd: Fd, on: boolean): void;
  /** setsockopt(2): SO_RCVLOWAT, so many bytes make a stream readable; they are counted from the first that is unread. */
  setReceiveLowWater(fd: Fd, bytes: number): void;
  /** getsockopt(2): TCP_INFO and how it is bound. Throws EOPNOTSUPP for no TCP socket, EINVAL for one that does not listen. */
  listenerInfo(fd: Fd): ListenerInfo;
  /** setsockopt(2): SO_REUSEPORT. */
  setReusePort(fd: Fd, on: boolean): void;
  /**
   * setsockopt(2): SO_ATTACH_REUSEPORT_CBPF. The program, four numbers an instruction (code, jt, jf, k), says which
   * socket of the group a new connection goes to, by the order in which they joined; one that is there is replaced in
   * one step. Throws EINVAL for a listening socket that is in no group.
   */
  attachReusePortProgram(fd: Fd, program: readonly number[]): void;
  /** fcntl(2): F_DUPFD_CLOEXEC. */
  dup(fd: Fd): Fd;
  /** close(2). */
  close(fd: Fd): void;
  /** fcntl(2) F_DUPFD_QUERY or kcmp(2): whether both are of one open file description. `null` where neither is there. */
  sameFile(first: Fd, second: Fd): boolean | null;
  /** epoll_create(2). The set's descriptor is `readable` to `watch` while one in it has hung up. */
  epollCreate(): Fd;
  /** epoll_ctl(2): EPOLL_CTL_ADD, for EPOLLHUP and EPOLLERR alone. False for a file that cannot be polled. */
  epollAdd(epoll: Fd, fd: Fd): boolean;
  /** The same, for what comes to be read: told once for each arrival (EPOLLET), and for a hang-up. */
  epollAddArrivals(epoll: Fd, fd: Fd): void;
  /** epoll_ctl(2): EPOLL_CTL_DEL; before the close, which removes nothing that others have open as well. */
  epollRemove(epoll: Fd, fd: Fd): void;
  /** epoll_wait(2), never blocking: some of those of which there is something to tell, at most 64. */
  epollWait(epoll: Fd): Fd[];

  /** pipe2(2): the end to read, non-blocking, and the end to write, which blocks as a standard output should. */
  pipe(): [from: Fd, to: Fd];
  /**
   * tee(2) with SPLICE_F_NONBLOCK: what waits in one pipe is put into another as well, from the first byte on. How many
   * bytes: 0 at the end, `null` where nothing is there or nothing fits in.
   */
  tee(from: Fd, to: Fd, maxBytes: number): number | null;
  /** fcntl(2): F_GETPIPE_SZ, in bytes. */
  pipeSize(fd: Fd): number;
  /** fcntl(2): F_SETPIPE_SZ. Throws EPERM beyond /proc/sys/fs/pipe-max-size, or where the user has too much in pipes. */
  setPipeSize(fd: Fd, bytes: number): void;

  /** getpwnam(3): the user's number. `null` where there is none. It asks every source of nsswitch.conf(5), and waits. */
  userByName(name: string): number | null;
  /** getgrnam(3): the group's number. `null` where there is none. */
  groupByName(name: string): number | null;
  /** getpwuid(3): the user's name. `null` where there is none. */
  userName(uid: number): string | null;

  /** clone(2), then in the new process what the options name, then execve(2). The error has `syscall` = the step. */
  spawn(options: SpawnOptions): Spawned;
  /** pidfd_open(2); `null` where no such process is. */
  pidfdOpen(pid: number): Fd | null;
  /** pidfd_send_signal(2); false where it has ended. */
  pidfdSignal(pidfd: Fd, signal: number): boolean;
  /** waitid(2) of P_PIDFD, WEXITED|WNOHANG: reaps our own child. `null` while it runs; throws ECHILD for others'. */
  pidfdWait(pidfd: Fd): ExitStatus | null;
  /** ioctl PIDFD_GET_INFO (Linux 6.13); `null` where the kernel has none; throws ESRCH for what is gone and forgotten. */
  pidfdInfo(pidfd: Fd): PidfdInfo | null;
  /** waitid(2) of P_ALL, WEXITED|WNOHANG: reaps any child of ours. `null` where none has ended or none is there. */
  waitAny(): ({ readonly pid: number } & ExitStatus) | null;
  /** setsid(2); throws EPERM for a group leader. */
  setsid(): number;
  /** prctl(2): PR_SET_NAME, cut at 15 bytes; this thread's. */
  setProcessName(name: string): void;
  /** prctl(2): PR_SET_CHILD_SUBREAPER. */
  setSubreaper(on: boolean): void;
  /** prctl(2): PR_SET_PDEATHSIG; 0 clears it. */
  setDeathSignal(signal: number): void;
  /** prctl(2): PR_SET_NO_NEW_PRIVS. */
  setNoNewPrivileges(): void;
  /** getrlimit(2). */
  getRlimit(resource: string): { readonly soft: number | null; readonly hard: number | null };
  /** flock(2): LOCK_EX|LOCK_NB; false where another holds it. */
  lockFile(fd: Fd): boolean;
  /** memfd_create(2) with MFD_CLOEXEC|MFD_ALLOW_SEALING; written with node:fs. */
  memfdCreate(name: string): Fd;
  /** fcntl(2): F_ADD_SEALS of shrink, grow, write and seal. */
  memfdSeal(fd: Fd): void;
  /** fcntl(2): F_GET_SEALS; whether all that `memfdSeal` adds are there. False of what has no seals at all. */
  memfdIsSealed(fd: Fd): boolean;
  /**
   * uv_poll_start; the callback runs on the loop with what is ready. It sets O_NONBLOCK. Of a pidfd, `readable` tells
   * the end of the process and `hangup` (Linux 6.9) that it has been reaped. Throws EEXIST for an fd that is watched.
   */
  watch(fd: Fd, interest: { readable: boolean; writable: boolean }, callback: (ready: Ready) => void): Watcher;
}

let loaded: Native | undefined;

/** Loads the addon on first use: a prebuilt binary of the package, or what node-gyp made in build/. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  if (process.platform !== 'linux') {
    throw new Error(`batond runs on Linux only; this is ${process.platform}`);
  }
  const require = createRequire(import.meta.url);
  const find = require('node-gyp-build') as (directory: string) => Native;
  return find(fileURLToPath(new URL('..', import.meta.url)));
}
