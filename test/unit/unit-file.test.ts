// The units that install writes: what stands in them for which request, and that nothing gets lost in quotes.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runArguments } from '../../src/cli/install.js';
import type { ConfigFlags } from '../../src/config/keys.js';
import { loadConfig } from '../../src/config/load.js';
import { EXIT } from '../../src/errors.js';
import { lineDiff } from '../../src/systemd/line-diff.js';
import { socketAddress } from '../../src/systemd/socket-address.js';
import { systemdVersion, verifyUnits } from '../../src/systemd/systemctl.js';
import { renderUnits, type UnitRequest } from '../../src/systemd/unit-files.js';
import { commandLine, plainValue, quoteArgument, quoteProgram } from '../../src/systemd/unit-quote.js';
import { readStamp, stampUnit } from '../../src/systemd/unit-stamp.js';
import { fillTemplate } from '../../src/systemd/unit-template.js';

const invalid = expect.objectContaining({ code: 'CONFIG_INVALID' });
const hasVerify = spawnSync('systemd-analyze', ['--version']).error === undefined;

const folder = mkdtempSync(join(tmpdir(), 'batond-unit-'));
const entry = join(folder, 'server.js');
beforeAll(() => writeFileSync(entry, ''));
afterAll(() => rmSync(folder, { recursive: true }));

const load = (flags: ConfigFlags, configFile?: string) => loadConfig({ cwd: folder, configFile, flags, cores: 4 });

function request(more: Partial<UnitRequest> = {}, flags: ConfigFlags = {}): UnitRequest {
  const all = { entry: 'server.js', name: 'shop', ...flags };
  const config = load(all);
  return {
    config,
    scope: 'system',
    self: { node: process.execPath, main: '/usr/local/bin/batond' },
    runArguments: runArguments(all, config),
    user: null,
    group: null,
    sockets: [],
    privilegedPorts: false,
    ...more,
  };
}

/** The settings of the first unit, each with its last value. */
function settings(more: Partial<UnitRequest> = {}, flags: ConfigFlags = {}, version = 252): Record<string, string> {
  const [{ body } = { body: '' }] = renderUnits(request(more, flags), version);
  const lines = body.split('\n').filter((line) => /^[A-Z]\w+=/.test(line));
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2)));
}

describe('the service unit', () => {
  test('follows the contract with systemd', () => {
    expect(settings()).toMatchObject({
      Type: 'notify',
      NotifyAccess: 'main',
      ExecStart: `${process.execPath} /usr/local/bin/batond run --name shop --directory ${folder} ${entry}`,
      ExecReload: `${process.execPath} /usr/local/bin/batond reload --name shop`,
      KillMode: 'process',
      Restart: 'always',
      FileDescriptorStoreMax: '512',
      WatchdogSec: '30s',
      OOMPolicy: 'continue',
      TimeoutStartSec: 'infinity',
      TimeoutStopSec: '45',
      RuntimeDirectory: 'batond/shop',
      RuntimeDirectoryPreserve: 'restart',
      StateDirectory: 'batond/shop',
      CacheDirectory: 'batond/shop',
      NoNewPrivileges: 'yes',
      ProtectSystem: 'full',
      WantedBy: 'multi-user.target',
    });
  });

  test('gives a stop the time that the configuration gives', () => {
    expect(settings({}, { drainTimeout: '2m', killTimeout: '1500ms' }).TimeoutStopSec).toBe('132');
  });

  test('runs as root with what root has, unless it is told an account', () => {
    for (const key of ['User', 'Group', 'CapabilityBoundingSet', 'AmbientCapabilities']) {
      expect(settings({ privilegedPorts: true })).not.toHaveProperty(key);
    }
    expect(settings({ user: 'shop', group: 'www' })).toMatchObject({
      User: 'shop',
      Group: 'www',
      CapabilityBoundingSet: '',
    });
    expect(settings({ user: 'shop' })).not.toHaveProperty('Group');
    expect(settings({ user: 'root' })).not.toHaveProperty('CapabilityBoundingSet');
  });

  test('may bind ports below 1024 when it was asked for, or when the configuration has one', () => {
    const both = { AmbientCapabilities: 'CAP_NET_BIND_SERVICE', CapabilityBoundingSet: 'CAP_NET_BIND_SERVICE' };
    expect(settings({ user: 'shop', privilegedPorts: true })).toMatchObject(both);
    const config = (port: number) => ({
      ...load({ entry: 'server.js' }),
      listeners: [{ name: 'http', address: { kind: 'tcp', host: null, port } as const, backlog: 511 }],
    });
    expect(settings({ user: 'shop', config: config(443) })).toMatchObject(both);
    expect(settings({ user: 'shop', config: config(8080) })).not.toHaveProperty('AmbientCapabilities');
  });

  test("asks nothing of a user's systemd that only the machine's can give", () => {
    const user = settings({ scope: 'user' });
    expect(user).toMatchObject({ WantedBy: 'default.target', NoNewPrivileges: 'yes' });
    for (const key of ['ProtectSystem', 'ProtectKernelTunables', 'AmbientCapabilities', 'Wants']) {
      expect(user).not.toHaveProperty(key);
    }
  });

  test('is never given up for failing starts, nor started again for a configuration that cannot be run', () => {
    expect(settings({})).toMatchObject({
      Restart: 'always',
      StartLimitIntervalSec: '0',
      RestartPreventExitStatus: `${EXIT.config} ${EXIT.done}`,
      SuccessExitStatus: String(EXIT.done),
    });
  });

  test('holds what its systemd knows', () => {
    expect(settings({}, {}, 239)).not.toHaveProperty('OOMPolicy');
    expect(settings({}, {}, 252)).not.toHaveProperty('RestartSteps');
    expect(settings({}, {}, 254)).toHaveProperty('RestartSteps');
  });

  test.skipIf(!hasVerify)('is accepted by systemd-analyze verify, as are its sockets', () => {
    for (const scope of ['system', 'user'] as const) {
      const account = scope === 'system' ? { user: 'daemon', group: 'daemon', privilegedPorts: true } : {};
      const self = { node: process.execPath, main: entry };
      const odd = { env: ['A=50% of $x "q" \\ \''], args: ['a b', ';', '', 'ü', '$HOME', '%n'] };
      const units = renderUnits(
        request({ scope, self, ...account, sockets: ['8080', '@shop'] }, odd),
        systemdVersion(),
      );
      expect(verifyUnits(scope, units)).toBe(true);
    }
    const [unit] = renderUnits(request({ self: { node: '/no/such/node', main: entry } }), 0);
    expect(() => verifyUnits('system', [unit!])).toThrow(expect.objectContaining({ code: 'UNIT_INVALID' }));
  });
});

describe('the socket unit', () => {
  test('has a line an address', () => {
    const [, socket] = renderUnits(request({ user: 'shop', sockets: ['8080', '[::1]:8081', '/run/shop.sock'] }), 252);
    expect(socket).toMatchObject({ unit: 'shop.socket', path: '/etc/systemd/system/shop.socket' });
    expect(socket!.body).toContain('\nListenStream=8080\nListenStream=[::1]:8081\nListenStream=/run/shop.sock\n');
    expect(socket!.body).toContain('\nFileDescriptorName=shop\n');
    expect(socket!.body).toContain('\nSocketUser=shop\n');
    expect(socket!.body).not.toContain('SocketGroup');
  });

  test('takes the addresses of the configuration as far as systemd can bind them', () => {
    for (const text of ['8080', '0.0.0.0:80', '[::1]:80', '/run/shop.sock', '@shop'])
      expect(socketAddress(text)).toBe(text);
    for (const text of ['', 'localhost:80', '0', '99999', 'a/b', '::1:80']) {
      expect(() => socketAddress(text)).toThrow(invalid);
    }
  });
});

describe('what run is told', () => {
  test('says the same from any directory', () => {
    mkdirSync(join(folder, 'conf'), { recursive: true });
    const file = join(folder, 'conf/batond.toml');
    writeFileSync(file, 'entry = "../server.js"\nworkers = 2\n');
    const told = (flags: ConfigFlags, configFile?: string) => runArguments(flags, load(flags, configFile));

    expect(told({ name: 'shop' }, 'conf/batond.toml')).toEqual(['--name', 'shop', '--config', file]);
    expect(told({ name: 'shop', directory: 'conf' }, 'conf/batond.toml')).toContain(join(folder, 'conf'));
    expect(
      told({
        entry: 'server.js',
        name: 'shop',
        args: ['--port', '3000'],
        workers: 'auto',
        runtime: './bin/node',
        runtimeArg: ['--expose-gc'],
        env: ['A=1', 'B=two words'],
        drainTimeout: '5s',
      }),
    ).toEqual([
      ...[
        '--name',
        'shop',
        '--directory',
        folder,
        `--runtime=${join(folder, 'bin/node')}`,
        '--runtime-arg=--expose-gc',
      ],
      ...['--workers=auto', '--env=A=1', '--env=B=two words', '--drain-timeout=5s', entry, '--', '--port', '3000'],
    ]);
    rmSync(file);
  });
});

describe('quoting', () => {
  test('keeps plain words plain', () => {
    for (const word of ['run', '--name=shop', '/srv/a-b_c.js', '127.0.0.1:80', 'a,b', 'a+b@c'])
      expect(quoteArgument(word)).toBe(word);
  });

  test('escapes what systemd would read', () => {
    expect(quoteArgument('two words')).toBe('"two words"');
    expect(quoteArgument('')).toBe('""');
    expect(quoteArgument(';')).toBe('";"');
    expect(quoteArgument('$HOME $x')).toBe('"$$HOME $$x"');
    expect(quoteArgument('100%n')).toBe('100%%n');
    expect(quoteArgument('a"b\\c')).toBe('"a\\"b\\\\c"');
    expect(quoteArgument("it's")).toBe('"it\'s"');
    expect(quoteArgument('a\tb\x1b')).toBe('"a\\x09b\\x1b"');
    expect(quoteArgument('ü 🙂')).toBe('"ü 🙂"');
    expect(commandLine(['/bin/a b', '$c'])).toBe('"/bin/a b" $$c');
    expect(plainValue('a%b')).toBe('a%%b');
  });

  test('refuses what a unit file cannot hold', () => {
    for (const text of ['a\nb', 'a\rb', 'a\0b']) {
      for (const quote of [quoteArgument, plainValue]) expect(() => quote(text)).toThrow(invalid);
    }
    for (const path of ['node', './node', '/a$b', '']) expect(() => quoteProgram(path)).toThrow(invalid);
    for (const text of ['', ' a', 'a ', 'a\\']) expect(() => plainValue(text)).toThrow(invalid);
  });
});

describe('a template', () => {
  const fill = (template: string, words: string[] = [], systemdVersion = 252) =>
    fillTemplate(template, {
      values: { one: '1 $& $1', none: null, two: ['a', 'b'], empty: '' },
      words: new Set(words),
      systemdVersion,
    });

  test('is filled line by line', () => {
    expect(fill('A=@{one}\nB=@{none}\nC=x@{two}y\nD=@{empty}\n')).toBe('A=1 $& $1\nC=xay\nC=xby\nD=\n');
    expect(() => fill('A=@{other}')).toThrow('other');
  });

  test('shows what holds', () => {
    const template = '#@if system 250\nA=1\n#@end\n#@if user\nB=1\n#@end\nC=1';
    expect(fill(template, ['system'])).toBe('A=1\nC=1\n');
    expect(fill(template, ['system'], 249)).toBe('C=1\n');
    expect(fill(template, ['user'])).toBe('B=1\nC=1\n');
  });
});

describe('a stamp', () => {
  test('tells our units from others, and from edited ones', () => {
    const body = '# a comment\n[Unit]\n';
    const text = stampUnit(body, ['/a']);
    expect(readStamp(text)).toEqual({ folders: ['/a'], intact: true, body });
    expect(readStamp(`${text}Wants=more.service\n`)).toMatchObject({ intact: false });
    expect(readStamp(text.replace(/"sha256":"./, '"sha256":"'))).toMatchObject({ intact: false });
    expect(readStamp(text.replace(/\{.*\}/, '{'))).toMatchObject({ intact: false, folders: [] });
    for (const other of ['', body, text.split('\n')[0]!, `\n${text}`]) expect(readStamp(other)).toBeNull();
  });
});

describe('a difference', () => {
  test('is the lines that go and come', () => {
    expect(lineDiff('a\nb\nc\n', 'a\nb\nc\n')).toEqual([]);
    expect(lineDiff('a\nb\nc\n', 'a\nB\nc\nd\n')).toEqual(['- b', '+ B', '+ d']);
    expect(lineDiff('a\n', 'b\na\n')).toEqual(['+ b']);
  });
});
