/** Sets of descriptors that tell who has hung up, and whether two descriptors are of one open file. */
import { closeSync, openSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { native, type Ready } from '../../src/native.js';
import { expectFailure, expectNoLeak, expectNoLeakOnFailure } from './expectations.js';

const n = native();

describe('an epoll set', () => {
  test('tells who has hung up, and only until it is removed', async () => {
    const epoll = n.epollCreate();
    const [ours, theirs] = n.socketpair('stream');
    expect(n.epollAdd(epoll, ours)).toBe(true);
    n.send(theirs, Buffer.from('x'));
    expect(n.epollWait(epoll)).toEqual([]);
    const ready = new Promise<Ready>((resolve) => {
      const watcher = n.watch(epoll, { readable: true, writable: false }, (seen) => {
        watcher.close();
        resolve(seen);
      });
    });
    closeSync(theirs);
    expect(await ready).toMatchObject({ readable: true });
    expect(n.epollWait(epoll)).toEqual([ours]);
    n.epollRemove(epoll, ours);
    expect(n.epollWait(epoll)).toEqual([]);
    for (const fd of [ours, epoll]) closeSync(fd);
  });

  test('takes no file that cannot be polled, and nothing twice', () => {
    const epoll = n.epollCreate();
    const memfd = n.memfdCreate('file');
    const [ours, theirs] = n.socketpair('stream');
    expect(n.epollAdd(epoll, memfd)).toBe(false);
    n.epollAdd(epoll, ours);
    expectFailure(() => n.epollAdd(epoll, ours), 'EEXIST', 'epoll_ctl');
    expectFailure(() => n.epollRemove(epoll, theirs), 'ENOENT', 'epoll_ctl');
    expectFailure(() => n.epollAdd(epoll, 99_999), 'EBADF', 'epoll_ctl');
    expectFailure(() => n.epollWait(ours), 'EINVAL', 'epoll_wait');
    expect(() => n.epollAdd(epoll, '1' as unknown as number)).toThrow(TypeError);
    for (const fd of [epoll, memfd, ours, theirs]) closeSync(fd);
  });

  test('1,000 rounds leave no descriptor', () => {
    const [ours, theirs] = n.socketpair('stream');
    expectNoLeak(() => {
      const epoll = n.epollCreate();
      n.epollAdd(epoll, ours);
      n.epollWait(epoll);
      n.epollRemove(epoll, ours);
      n.close(epoll);
    });
    expectNoLeakOnFailure(() => n.epollAdd(ours, theirs));
    expectNoLeakOnFailure(() => n.epollRemove(ours, theirs));
    expectNoLeakOnFailure(() => n.epollWait(ours));
    for (const fd of [ours, theirs]) closeSync(fd);
  });
});

describe('sameFile', () => {
  test('is about the open file, not about its name', (context) => {
    const first = openSync('/dev/null', 'r');
    const again = openSync('/dev/null', 'r');
    const copy = n.dup(first);
    const told = n.sameFile(first, copy);
    expect(n.sameFile(first, again)).toBe(told === null ? null : false);
    expectFailure(() => n.sameFile(first, 99_999), 'EBADF', 'fcntl');
    expectFailure(() => n.sameFile(99_999, first), 'EBADF', 'fcntl');
    expectNoLeak(() => n.sameFile(first, copy));
    expectNoLeakOnFailure(() => n.sameFile(first, 99_999));
    for (const fd of [first, again, copy]) closeSync(fd);
    context.skip(told === null, 'this kernel has neither F_DUPFD_QUERY nor kcmp');
    expect(told).toBe(true);
  });
});
