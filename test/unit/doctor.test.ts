/** What each judge of batond doctor says of which facts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { renderDoctor } from '../../src/cli/doctor.js';
import { loadConfig } from '../../src/config/load.js';
import { type Finding, isAtLeast } from '../../src/doctor/finding.js';
import * as machine from '../../src/doctor/machine.js';
import * as places from '../../src/doctor/places.js';
import { readMachine } from '../../src/doctor/read-machine.js';
import * as service from '../../src/doctor/service.js';
import * as unit from '../../src/doctor/unit.js';
import { unitDrift } from '../../src/doctor/unit-drift.js';
import { renderUnits } from '../../src/systemd/unit-files.js';

type Judge<Facts> = (facts: Facts) => Finding;

const said = ({ level, what, todo }: Finding) => `${level} ${what}${todo === null ? '' : ` | ${todo}`}`;

test.each([
  ['6.15.0-rc1', [6, 15], true],
  ['6.1.0-13-amd64', [6, 15], false],
  ['6.2', [6, 2, 0], true],
  ['7.0', [6, 15], true],
  ['v20.19.0', [20, 19], true],
  ['v20.9.1', [20, 19], false],
  ['5', [5, 4], false],
])('%s is at least %j: %s', (version, wanted, expected) => expect(isAtLeast(version, ...wanted)).toBe(expected));

describe('the machine', () => {
  const GOOD: machine.MachineFacts = {
    kernel: '6.15.2',
    node: 'v22.0.0',
    neededNode: '>=20.19',
    systemd: 257,
    addonProblem: null,
    hasPidfd: true,
    hasSeals: true,
    cgroupVersion: 2,
    controllers: ['cpu', 'memory', 'pids'],
    somaxconn: 4096,
    backlog: 511,
    isClockSynchronized: true,
  };

  test('that is as it should be has nothing to do', () => {
    expect(machine.judgeMachine(GOOD).map(({ level, todo }) => [level, todo])).toEqual(new Array(7).fill(['ok', null]));
  });

  test.each<[Judge<machine.MachineFacts>, Partial<machine.MachineFacts>, RegExp]>([
    [machine.judgeKernel, { kernel: '6.1.0-13-amd64' }, /^ok Linux 6\.1\.0-13-amd64; how an adopted .* from 6\.15 on/],
    [machine.judgeKernel, { kernel: '4.19.0' }, /^fail .*no waiting for pidfds \| Boot Linux 5\.4/],
    [machine.judgeKernel, { hasPidfd: false, hasSeals: false }, /^fail .*no pidfds and no seals of memfds \| /],
    [machine.judgeKernel, { hasPidfd: null, hasSeals: null }, /^ok /],
    [machine.judgeNode, { node: 'v18.20.0' }, /^fail Node v18\.20\.0 runs this, and >=20\.19 is needed \| /],
    [machine.judgeAddon, { addonProblem: 'no native build was found' }, /^fail .*no native build.* \| .*npm rebuild/],
    [machine.judgeSystemd, { systemd: 0 }, /^ok is not here/],
    [machine.judgeSystemd, { systemd: 249 }, /^warn systemd 249 is older than 252 \| /],
    [machine.judgeSystemd, { systemd: 252 }, /^ok systemd 252; pauses/],
    [machine.judgeCgroup, { cgroupVersion: 1, controllers: [] }, /^warn .*version 1.* \| .*unified/],
    [machine.judgeCgroup, { cgroupVersion: 0, controllers: [] }, /^warn .*no version/],
    [machine.judgeCgroup, { controllers: ['cpu'] }, /^warn version 2 without memory and pids.* \| /],
    [machine.judgeQueue, { somaxconn: 128 }, /^warn .*511.*128 \| Put net\.core\.somaxconn = 511/],
    [machine.judgeQueue, { somaxconn: null }, /^ok /],
    [machine.judgeClock, { isClockSynchronized: false }, /^warn .* \| Run timedatectl/],
    [machine.judgeClock, { isClockSynchronized: null }, /^ok nobody/],
  ])('%o of %j', (judge, facts, expected) => {
    const judged = judge({ ...GOOD, ...facts });
    expect(said(judged)).toMatch(expected);
  });

  test('this one can be read, and has what the tests need themselves', () => {
    const facts = readMachine();
    expect(facts).toMatchObject({ addonProblem: null, hasPidfd: true, hasSeals: true, node: process.version });
    expect(machine.judgeNode(facts).level).toBe('ok');
  });
});

describe('the unit', () => {
  const GOOD: unit.UnitFacts = {
    unit: 'shop.service',
    scope: 'system',
    made: { intact: true, drift: [] },
    catalog: 'same',
    properties: {
      ActiveState: 'active',
      ActiveEnterTimestamp: '@1000',
      NeedDaemonReload: 'no',
      Type: 'notify',
      NotifyAccess: 'main',
      KillMode: 'process',
      Restart: 'always',
      RuntimeDirectoryPreserve: 'restart',
      StartLimitIntervalUSec: '0',
      FileDescriptorStoreMax: '512',
      NFileDescriptorStore: '7',
      TasksMax: '1000',
      TasksCurrent: '40',
    },
    changedAt: 999_000,
    size: { workers: 2, listeners: 1 },
  };
  const having = (properties: Record<string, string>): Partial<unit.UnitFacts> => ({
    properties: { ...GOOD.properties, ...properties },
  });

  test('that is as it should be has nothing to do', () => {
    expect(unit.judgeUnit(GOOD).map(({ level, todo }) => [level, todo])).toEqual(new Array(6).fill(['ok', null]));
    expect(unit.judgeUnit({ ...GOOD, catalog: null })).toHaveLength(5);
  });

  test('is explained by a catalog of the same batond', () => {
    expect(unit.judgeCatalog('missing')).toMatchObject({ level: 'warn', todo: 'Run batond install again.' });
    expect(unit.judgeCatalog('different')).toMatchObject({ level: 'warn', todo: 'Run batond install again.' });
  });

  test.each<[Judge<unit.UnitFacts>, Partial<unit.UnitFacts>, RegExp]>([
    [unit.judgeFile, { made: null }, /^ok .*not made by batond install/],
    [unit.judgeFile, { made: { intact: false, drift: [] } }, /^warn .*edited.* \| .*systemctl edit shop\.service/],
    [
      unit.judgeFile,
      { made: { intact: true, drift: ['+ A=1', '- A=2', '+ B=1', '+ C=1'] } },
      /^warn .*older batond: \+ A=1, - A=2, \+ B=1 and 1 more \| Run batond install again/,
    ],
    [unit.judgeLoaded, having({ NeedDaemonReload: 'yes' }), /^warn .* \| Run systemctl daemon-reload, then/],
    [unit.judgeLoaded, { scope: 'user', ...having({ NeedDaemonReload: 'yes' }) }, /systemctl --user daemon-reload/],
    [unit.judgeLoaded, { changedAt: 1_001_000 }, /^warn .*sandbox of before \| Run systemctl restart shop\.service/],
    // Within the second of the start nobody can say which was first.
    [unit.judgeLoaded, { changedAt: 1_000_900 }, /^ok /],
    [unit.judgeLoaded, { changedAt: 2_000_000, ...having({ ActiveState: 'inactive' }) }, /^ok /],
    [
      unit.judgeSettings,
      having({ KillMode: 'control-group' }),
      /^fail KillMode is control-group: workers end.* \| .*KillMode=process/,
    ],
    [
      unit.judgeSettings,
      having({ StartLimitIntervalUSec: '10s' }),
      /^fail .* \| Write StartLimitIntervalSec=0 in \[Unit\]/,
    ],
    [unit.judgeSettings, having({ Restart: 'on-failure' }), /^ok /],
    [unit.judgeStore, having({ FileDescriptorStoreMax: '0' }), /^fail keeps nothing.* \| .*FileDescriptorStoreMax=512/],
    [unit.judgeStore, having({ FileDescriptorStoreMax: '16' }), /^warn .*16 descriptors.*needs about 17 \| .*=34/],
    [unit.judgeStore, { size: null }, /^ok may keep 512/],
    [unit.judgeTasks, having({ TasksMax: '70' }), /^warn 40 .* at most 70.* \| Write TasksMax=160/],
    [unit.judgeTasks, having({ TasksMax: 'infinity' }), /^ok /],
    [unit.judgeTasks, having({ TasksCurrent: '[not set]' }), /^ok /],
  ])('%o of %j', (judge, facts, expected) => {
    expect(said(judge({ ...GOOD, ...facts }))).toMatch(expected);
  });

  const folder = mkdtempSync(join(tmpdir(), 'batond-doctor-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    { scope: 'system', user: 'shop', group: 'shop', privilegedPorts: true },
    { scope: 'system', user: null, group: null, privilegedPorts: false },
    { scope: 'user', user: null, group: null, privilegedPorts: false },
  ] as const)('as an install writes it for %j does not differ from itself, whatever was chosen', (chosen) => {
    writeFileSync(join(folder, 'server.js'), '');
    const config = loadConfig({ cwd: folder, flags: { entry: 'server.js', name: 'shop' }, cores: 1 });
    const self = { node: '/usr/bin/node', main: '/usr/bin/batond' };
    const request = { config, self, runArguments: ['--name', 'shop'], sockets: [], ...chosen };
    for (const systemdVersion of [0, 252, 257]) {
      const { body } = renderUnits(request, systemdVersion)[0]!;
      const facts = { name: 'shop', scope: chosen.scope, systemdVersion };
      expect(unitDrift(body, facts)).toEqual([]);
      expect(unitDrift(body.replace('RestartSec=100ms', 'RestartSec=1s').replace(/^#.*\n/gm, ''), facts)).toEqual([
        '- RestartSec=1s',
        '+ RestartSec=100ms',
      ]);
    }
  });
});

describe('the places', () => {
  const place = (path: string, uid = 7, mode = 0o755) => ({ path, uid, mode });
  const SOCKET = { ...place('/r/control.sock', 7, 0o600), isSocket: true, isAnswered: true };
  const GOOD: places.PlacesFacts = {
    uid: 7,
    runtime: place('/r'),
    state: place('/s'),
    socket: SOCKET,
    socketMode: 0o600,
    live: { path: '/r/live.json', supervisor: 99, isAlive: true },
  };

  test('that are as they should be have nothing to do', () => {
    expect(places.judgePlaces(GOOD).map(({ level, todo }) => [level, todo])).toEqual(new Array(4).fill(['ok', null]));
  });

  test('of a service that has never run have nothing to do either', () => {
    const none = { uid: null, runtime: null, state: null, socket: null, socketMode: null, live: null };
    expect(places.judgePlaces(none).map(({ level }) => level)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  test.each<[places.PlaceFacts | null, RegExp]>([
    [null, /^warn is not there/],
    [place('/r', 7, 0o777), /^fail everybody may write to \/r \| Run chmod o-w \/r/],
    [place('/r', 8), /^fail \/r belongs to uid 8, and the service runs as uid 7 \| /],
    [place('/r', 0), /^warn \/r belongs to root.* \| Run chown 7 \/r/],
    [place('/r', 7, 0o2770), /^ok /],
  ])('judgeFolder of %j', (folder, expected) => {
    expect(said(places.judgeFolder('runtime directory', folder, GOOD))).toMatch(expected);
  });

  test.each<[Partial<places.PlacesFacts>, RegExp]>([
    [{ socket: null }, /^fail is not there/],
    [{ socket: { ...SOCKET, isSocket: false } }, /^fail .*is no socket \| Remove it/],
    [{ socket: { ...SOCKET, mode: 0o666 } }, /^warn .*0666, not 0600 \| /],
    [{ socket: { ...SOCKET, mode: 0o666 }, socketMode: 0o660 }, /^ok /],
    [{ socket: { ...SOCKET, mode: 0o644 }, socketMode: null }, /^warn .*none that batond sets/],
  ])('judgeSocket of %j', (facts, expected) => {
    expect(said(places.judgeSocket({ ...GOOD, ...facts }))).toMatch(expected);
  });

  test('what one that was killed has left is named', () => {
    const left = {
      socket: { ...SOCKET, isAnswered: false },
      live: { path: '/r/live.json', supervisor: 99, isAlive: false },
    };
    expect(said(places.judgeLeftovers({ ...GOOD, ...left }))).toMatch(
      /^warn .*left \/r\/control\.sock and \/r\/live\.json \| Start the service/,
    );
  });
});

describe('the service', () => {
  const GOOD: service.ServiceFacts = {
    name: 'shop',
    said: { state: 'serving', summary: 'Generation 1 serves.', version: '1.0.0', configProblem: null },
    problem: null,
    activeState: 'active',
    userUnit: false,
    ownVersion: '1.0.0',
    processes: [{ who: 'the supervisor', open: 40, limit: 1_024 }],
  };
  const silent = (code: string, activeState: string | null): Partial<service.ServiceFacts> => ({
    said: null,
    problem: { code, message: 'shop is not running' },
    activeState,
  });

  test('that is well has nothing to do', () => {
    expect(service.judgeService(GOOD).map(({ level, todo }) => [level, todo])).toEqual(new Array(4).fill(['ok', null]));
  });

  test('of one that says nothing only that is told', () => {
    expect(service.judgeService({ ...GOOD, ...silent('NOT_RUNNING', 'failed') })).toHaveLength(1);
  });

  test.each<[Judge<service.ServiceFacts>, Partial<service.ServiceFacts>, RegExp]>([
    [service.judgeAnswer, silent('NOT_RUNNING', null), /^fail shop is not running \| Start it with batond run/],
    [service.judgeAnswer, silent('NOT_RUNNING', 'inactive'), /^warn is stopped \| Run systemctl start shop\./],
    [service.judgeAnswer, { ...silent('NOT_RUNNING', 'inactive'), userUnit: true }, /systemctl --user start shop/],
    [service.judgeAnswer, silent('NOT_RUNNING', 'failed'), /^fail its unit is failed.* \| See journalctl -u shop -e/],
    [service.judgeAnswer, { ...silent('NOT_RUNNING', 'failed'), userUnit: true }, /journalctl --user-unit shop -e/],
    [service.judgeAnswer, silent('NO_PERMISSION', 'active'), /^warn .* \| .*as root/],
    [service.judgeAnswer, silent('CONTROL_FAILED', 'active'), /^fail /],
    [service.judgeAnswer, { said: { ...GOOD.said!, state: 'stopping' } }, /^warn is stopping/],
    [
      service.judgeVersion,
      { ownVersion: '1.1.0' },
      /^warn batond 1\.0\.0 runs it, and this is batond 1\.1\.0 \| Reload/,
    ],
    [
      service.judgeConfig,
      { said: { ...GOOD.said!, configProblem: 'batond.toml:3: x' } },
      /^warn .*batond\.toml:3: x \| Mend/,
    ],
    [service.judgeFiles, { processes: [] }, /^ok are not yours/],
    [
      service.judgeFiles,
      { processes: [{ who: 'worker 1', open: 600, limit: 1_024 }] },
      /^warn worker 1 .*600.*1024.* \| .*=4096/,
    ],
    [service.judgeFiles, { processes: [{ who: 'worker 1', open: 1_000, limit: 1_024 }] }, /^fail /],
    [service.judgeFiles, { processes: [{ who: 'worker 1', open: 9_000, limit: null }] }, /^ok .*any number/],
  ])('%o of %j', (judge, facts, expected) => {
    expect(said(judge({ ...GOOD, ...facts }))).toMatch(expected);
  });
});

describe('what is printed', () => {
  const path = `/run/${'long/'.repeat(30)}`;
  const findings: Finding[] = [
    {
      check: 'runtime directory',
      level: 'fail',
      what: `everybody may write to ${path}`,
      todo: `Run chmod o-w ${path}.`,
    },
    { check: 'kernel', level: 'ok', what: 'Linux 6.15\nand more', todo: null },
  ];
  const ESCAPE = '\x1b';

  test('fits into 80 columns, whatever is in it', () => {
    const text = renderDoctor([{ service: 'shop', findings }], { width: 80 });
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text).not.toContain(ESCAPE);
    expect(text).toMatch(/^shop\n {2}fail {2}runtime directory {2}everybody may/);
    expect(text).toMatch(/\n1 ok, 0 to look at, 1 failed\n$/);
  });

  test('has colours only where they are asked for, and is the same without them', () => {
    const colored = renderDoctor([{ service: null, findings }], { width: 80, color: true });
    expect(colored).toContain(`${ESCAPE}[1;31mfail${ESCAPE}[0m`);
    expect(colored.replace(/\[[\d;]*m/g, '').replaceAll(ESCAPE, '')).toBe(
      renderDoctor([{ service: null, findings }], { width: 80 }),
    );
  });
});
