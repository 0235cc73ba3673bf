/** Who may do what under a real systemd, and what the journal has of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ExecResult, labAvailable } from '../support/lab/start-lab.mjs';
import { MAIN, NODE } from '../support/service/batond.js';
import { InstalledService } from '../support/service/installed.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

type Entry = Record<string, string>;

class SharedService {
  readonly service: InstalledService;
  readonly config: string;

  constructor(service: InstalledService) {
    this.service = service;
    this.config = join(service.lab.share, 'batond.toml');
  }

  /** Installs it anew with these rights, perhaps as a user of its own. */
  async install(control: string, ...args: string[]): Promise<void> {
    this.configure(control);
    const { service } = this;
    await service.batond('install', '--config', this.config, '--env', `PORT=${service.port}`, ...args, '--now');
  }

  configure(control: string): void {
    const lines = [
      'name = "shop"',
      'entry = "server.js"',
      `runtime = "${NODE}"`,
      `directory = "${this.service.releases.current}"`,
      'workers = 1',
      '[control]',
      control,
    ];
    writeFileSync(this.config, `${lines.join('\n')}\n`);
  }

  as(user: string, ...args: string[]): Promise<ExecResult> {
    const command = ['setpriv', `--reuid=${user}`, `--regid=${user === 'nobody' ? 'nogroup' : user}`, '--init-groups'];
    return this.service.lab.exec([...command, NODE, MAIN, ...args, '--name', 'shop'], { check: false });
  }

  async entries(event: string): Promise<Entry[]> {
    const text = await this.service.journal(`BATOND_EVENT=${event}`, '-o', 'json');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Entry);
  }

  async number(...command: string[]): Promise<string> {
    return (await this.service.lab.exec(command)).stdout.trim();
  }
}

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test('a member of a listed group may read but not act, anybody else nothing, and the journal says who tried', async () => {
    await using service = await InstalledService.start({ workers: 1 });
    const { lab } = service;
    const shared = new SharedService(service);
    await lab.exec([
      'sh',
      '-c',
      'groupadd ops && useradd --user-group --groups ops reader && useradd --user-group keeper',
    ]);
    const uid = await shared.number('id', '-u', 'reader');
    await service.batond('uninstall');
    await shared.install('read = ["group:ops"]');
    const socket = ['stat', '-c', '%a %G', '/run/batond/shop/control.sock'];
    expect(await shared.number(...socket)).toBe('660 ops');

    expect((await shared.as('reader', 'status')).stdout).toContain('shop: serving');
    const refused = await shared.as('reader', 'reload');
    expect(refused.stderr).toContain(`batond: you are reader (uid ${uid}), who may not reload shop`);
    expect(refused.status).toBe(77);
    const denied = await shared.as('nobody', 'reload');
    expect(denied.stderr).toMatch(/^batond: you are nobody \(uid 65534\), who may not connect to .*control\.sock/);
    expect(denied.status).toBe(77);
    const [entry, ...others] = await shared.entries('refused');
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      PRIORITY: '4',
      BATOND_PEER_UID: uid,
      BATOND_PEER_USER: 'reader',
      BATOND_CODE: 'NOT_PERMITTED',
    });
    expect(Number(entry!.BATOND_PEER_PID)).toBeGreaterThan(1);

    expect((await service.reload()).status).toBe(0);
    const audit = await shared.entries('audit');
    expect(audit.map(({ BATOND_ACTION, BATOND_OUTCOME }) => [BATOND_ACTION, BATOND_OUTCOME])).toEqual([
      ['reload', 'asked'],
      ['reload', 'done'],
    ]);
    for (const one of audit) {
      expect(one).toMatchObject({
        BATOND_PEER_UID: '0',
        BATOND_PEER_USER: 'root',
        BATOND_PEER_PID: audit[0]!.BATOND_PEER_PID,
      });
      expect(one.BATOND_PEER_CGROUP).toContain('shop.service');
    }
  }, 120_000);

  test('a service that may not give its socket to the group asks each peer, and follows its config at a reload', async () => {
    await using service = await InstalledService.start({ workers: 1 });
    const { lab } = service;
    const shared = new SharedService(service);
    await lab.exec([
      'sh',
      '-c',
      'groupadd ops && useradd --user-group --groups ops actor && useradd --user-group keeper',
    ]);
    await service.batond('uninstall');
    await shared.install('act = ["group:ops"]', '--user', 'keeper');
    const socket = ['stat', '-c', '%a %U', '/run/batond/shop/control.sock'];
    expect(await shared.number(...socket)).toBe('666 keeper');

    const done = await shared.as('actor', 'reload');
    expect(done.status, done.stderr).toBe(0);
    const refused = await shared.as('nobody', 'reload');
    expect(refused.stderr).toMatch(/^batond: you are nobody \(uid 65534\), who may not reload shop: .*control\.act/);
    expect(refused.status).toBe(77);
    expect(await shared.entries('refused')).toEqual([expect.objectContaining({ BATOND_PEER_UID: '65534' })]);

    shared.configure('act = []');
    expect((await service.reload()).status).toBe(0);
    expect(await shared.number(...socket)).toBe('600 keeper');
    expect((await shared.as('actor', 'reload')).status).toBe(77);
  }, 120_000);
});
