import { closeSync, openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fd, native, type Ready, type Watcher } from '../../src/native.js';
import { expectFailure, expectNoLeak, expectNoLeakOnFailure, openFds } from './expectations.js';
import { node, program, withOutput } from './programs.js';

const n = native();
const read = { readable: true, writable: false };
const write = { readable: false, writable: true };
const neither = { readable: false, writable: false };

let one: Fd;
let two: Fd;
let watchers: Watcher[] = [];
beforeEach(() => {
  [one, two] = n.socketpair('stream');
  watchers = [];
});
afterEach(() => {
  for (const watcher of watchers) watcher.close();
  for (const fd of [one, two]) if (fd !== -1) closeSync(fd);
});

/** The first call of a watcher, which is closed inside it. */
function first(fd: Fd, interest: typeof read): Promise<Ready> {
  return new Promise((resolve) => {
    const watcher = n.watch(fd, interest, (ready) => {
      watcher.close();
      resolve(ready);
    });
    watchers.push(watcher);
  });
}

/** Long enough for the loop to have polled twice; what has not been called by then is not going to be. */
const nextPolls = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

describe('a watcher', () => {
  test('tells readable', async () => {
    const ready = first(one, read);
    n.send(two, Buffer.from('x'));
    expect(await ready).toEqual({ readable: true, writable: false, hangup: false });
  });

  test('tells writable', async () => {
    expect(await first(one, write)).toEqual({ readable: false, writable: true, hangup: false });
  });

  test('tells a hangup', async () => {
    const ready = first(one, read);
    closeSync(two);
    two = -1;
    expect(await ready).toEqual({ readable: true, writable: false, hangup: true });
  });

  test('tells an error as a hangup, and what can still be read', async () => {
    // Unread data on the side that closes is ECONNRESET for the other one, which poll(2) tells as POLLERR.
    n.send(two, Buffer.from('last words'));
    n.send(one, Buffer.from('unread'));
    closeSync(two);
    two = -1;
    expect(await first(one, write)).toMatchObject({ readable: true, hangup: true });
    expect(n.receive(one, 100, 0)!.data.toString()).toBe('last words');
  });

  test('tells the end of a process; and that it has been reaped, where only a wish to write is waiting', async () => {
    let pidfd = -1;
    withOutput((stdin, output) => {
      ({ pidfd } = n.spawn(program({ argv: ['sh', '-c', 'exit 4'] }, stdin, output)));
    });
    expect(await first(pidfd, read)).toMatchObject({ readable: true });
    let reaped = false;
    const hangup = first(pidfd, write).then((ready) => {
      expect(reaped).toBe(true);
      return ready;
    });
    await nextPolls();
    reaped = true;
    expect(n.pidfdWait(pidfd)).toEqual({ code: 4, signal: null });
    // A pidfd has told this since Linux 6.9; the next thing that can be asked for came with 6.13.
    if (n.pidfdInfo(pidfd) !== null) expect(await hangup).toMatchObject({ hangup: true });
    for (const watcher of watchers) watcher.close();
    closeSync(pidfd);
  });

  test('is called again as long as there is something', async () => {
    n.send(two, Buffer.from('abc'));
    const bytes: string[] = [];
    await new Promise<void>((resolve) => {
      const watcher = n.watch(one, read, () => {
        bytes.push(n.receive(one, 1, 0)!.data.toString());
        if (bytes.length === 3) resolve();
      });
      watchers.push(watcher);
    });
    expect(bytes).toEqual(['a', 'b', 'c']);
    await nextPolls();
    expect(bytes).toHaveLength(3);
  });

  test('changes and pauses with update', async () => {
    let calls: Ready[] = [];
    const watcher = n.watch(one, neither, (ready) => calls.push(ready));
    watchers.push(watcher);
    n.send(two, Buffer.from('x'));
    await nextPolls();
    expect(calls).toEqual([]);
    watcher.update({ readable: true, writable: true });
    await nextPolls();
    expect(calls[0]).toEqual({ readable: true, writable: true, hangup: false });
    watcher.update(neither);
    calls = [];
    await nextPolls();
    expect(calls).toEqual([]);
  });

  test('is not called after close, and may be closed and used again without harm', async () => {
    let calls = 0;
    n.send(two, Buffer.from('x'));
    const watcher = n.watch(one, read, () => calls++);
    watcher.close();
    watcher.close();
    watcher.update(read);
    watcher.ref();
    watcher.unref();
    await nextPolls();
    expect(calls).toBe(0);
    // The descriptor is free for another one at once.
    expect(await first(one, read)).toMatchObject({ readable: true });
  });

  test('runs nextTick and promises before the next callback', async () => {
    const order: string[] = [];
    n.send(two, Buffer.from('ab'));
    await new Promise<void>((resolve) => {
      const watcher = n.watch(one, read, () => {
        n.receive(one, 1, 0);
        order.push('callback');
        process.nextTick(() => order.push('tick'));
        Promise.resolve().then(() => order.push('promise'));
        if (order.length > 1) {
          watcher.close();
          setImmediate(resolve);
        }
      });
    });
    expect(order).toEqual(['callback', 'tick', 'promise', 'callback', 'tick', 'promise']);
  });

  test('may close another one whose call is due', async () => {
    n.send(one, Buffer.from('x'));
    n.send(two, Buffer.from('x'));
    let calls = 0;
    const both = [one, two].map((fd) =>
      n.watch(fd, read, () => {
        calls++;
        for (const watcher of both) watcher.close();
      }),
    );
    await nextPolls();
    expect(calls).toBe(1);
  });

  test('is refused twice on one descriptor, on a file, and on none', () => {
    watchers.push(n.watch(one, read, () => {}));
    expectFailure(() => n.watch(one, read, () => {}), 'EEXIST', 'uv_poll_init');
    const file = openSync('/proc/self/stat', 'r');
    closeSync(file);
    expectFailure(() => n.watch(file, read, () => {}), 'EBADF', 'uv_poll_init');
    expectFailure(() => n.watch(-1, read, () => {}), 'EBADF', 'uv_poll_init');
    const memfd = n.memfdCreate('a file is always ready');
    expectFailure(() => n.watch(memfd, read, () => {}), 'EPERM', 'uv_poll_init');
    closeSync(memfd);
    expect(() => n.watch(one, read, undefined as unknown as () => void)).toThrow(TypeError);
    expect(() => n.watch(one, {} as typeof read, () => {})).toThrow(TypeError);
  });

  test('1,000 rounds leave no descriptor', async () => {
    const before = openFds();
    expectNoLeakOnFailure(() => n.watch(-1, read, () => {}));
    expectNoLeak(() => {
      const fd = n.dup(one);
      n.watch(fd, read, () => {}).close();
      closeSync(fd);
    });
    await nextPolls();
    expect(openFds()).toBe(before);
  });
});

describe('in a process of its own', () => {
  const interest = '{ readable: true, writable: true }';

  test('an exception in the callback is an uncaughtException', () => {
    const script = `
      const [one] = n.socketpair('stream');
      let calls = 0;
      const watcher = n.watch(one, ${interest}, () => {
        calls++;
        if (calls === 2) watcher.close();
        throw new Error('from the callback ' + calls);
      });
      process.on('uncaughtException', (error) => console.log(error.message));`;
    expect(node(script).output).toBe('from the callback 1\nfrom the callback 2\n');
  });

  test('an exception that nobody catches ends the process with its stack', () => {
    const script = `n.watch(n.socketpair('stream')[0], ${interest}, () => { throw new Error('nobody catches'); });`;
    const { output, exit } = node(script);
    expect(output).toContain('Error: nobody catches');
    expect(exit).toEqual({ code: 1, signal: null });
  });

  test('an open watcher keeps the process, an unref lets it end', () => {
    const script = `
      const [one, two] = n.socketpair('stream');
      const watcher = n.watch(one, { readable: true, writable: false }, () => { n.receive(one, 9, 0); console.log('called'); watcher.unref(); });
      setImmediate(() => setImmediate(() => n.send(two, Buffer.from('x'))));
      process.on('exit', () => console.log('end'));`;
    expect(node(script)).toMatchObject({ output: 'called\nend\n', exit: { code: 0 } });
  });

  test('ref takes an unref back', () => {
    const script = `
      const [one, two] = n.socketpair('stream');
      const watcher = n.watch(one, { readable: true, writable: false }, () => { console.log('called'); watcher.close(); });
      watcher.unref();
      watcher.ref();
      new (require('worker_threads').Worker)('require("node-gyp-build")(".").send(' + two + ', Buffer.from("x"))', { eval: true }).unref();`;
    expect(node(script)).toMatchObject({ output: 'called\n', exit: { code: 0 } });
  });

  test('a watcher that JS has forgotten goes on', () => {
    const script = `
      const [one, two] = n.socketpair('stream');
      (() => { n.watch(one, { readable: true, writable: false }, () => { console.log('called'); process.exit(); }); })();
      setImmediate(() => { gc(); setImmediate(() => { gc(); n.send(two, Buffer.from('x')); }); });`;
    expect(node(script)).toMatchObject({ output: 'called\n', exit: { code: 0 } });
  });

  test('closed and forgotten ones are collected while others go on', () => {
    const script = `
      const [one, two] = n.socketpair('stream');
      let rounds = 0;
      const again = () => {
        const watcher = n.watch(one, { readable: false, writable: true }, () => {
          watcher.close();
          if (rounds % 50 === 0) gc();
          if (rounds++ < 500) again(); else console.log('done');
        });
      };
      again();`;
    expect(node(script)).toMatchObject({ output: 'done\n', exit: { code: 0 } });
  });

  test.each([
    ['process.exit inside the callback', `n.watch(one, ${interest}, () => process.exit(3));`, 3],
    ['process.exit with a watcher open', `n.watch(one, ${interest}, () => {}); process.exit(4);`, 4],
    ['the natural end with one that is not ref', `n.watch(one, ${interest}, () => {}).unref();`, 0],
    [
      'the natural end with one that was just closed',
      `process.on('exit', () => n.watch(one, ${interest}, () => {}).close());`,
      0,
    ],
  ])('ends well: %s', (_, script, code) => {
    const { output, exit } = node(`const [one, two] = n.socketpair('stream');${script}`);
    expect({ output, exit }).toEqual({ output: '', exit: { code, signal: null } });
  });

  test.each([
    ['busy in its callbacks', `n.watch(one, ${interest}, () => { for (let i = 0; i < 1e5; i++); });`],
    ['for ever inside a callback', `n.watch(one, ${interest}, () => { for (;;); });`],
    ['throwing at the end', `n.watch(one, ${interest}, () => { throw new Error('x'); });`],
    ['idle', `n.watch(one, { readable: true, writable: false }, () => {});`],
    ['paused', `n.watch(one, { readable: false, writable: false }, () => {}); setInterval(() => {}, 1000);`],
    ['just closed', `n.watch(one, ${interest}, () => {}).close(); setInterval(() => {}, 1000);`],
    ['in process.exit', `n.watch(one, ${interest}, () => process.exit());`],
  ])(
    'a worker thread that ends with an open watcher takes nothing with it: %s',
    (_, work) => {
      const script = `
      const { Worker } = require('worker_threads');
      const work = \`
        const n = require('node-gyp-build')('.');
        const [one, two] = n.socketpair('stream');
        \${${JSON.stringify(work)}}
        require('worker_threads').parentPort.postMessage('open');\`;
      const ended = (worker) => new Promise((resolve) => worker.on('exit', resolve).on('error', () => {}));
      (async () => {
        n.watch(n.socketpair('stream')[0], { readable: true, writable: false }, () => {}).unref();
        for (let round = 0; round < 10; round++) {
          const worker = new Worker(work, { eval: true });
          const end = ended(worker);
          worker.on('message', () => worker.terminate());
          await end;
        }
        console.log('all ended');
      })();`;
      expect(node(script)).toMatchObject({ output: 'all ended\n', exit: { code: 0, signal: null } });
    },
    30_000,
  );
});
