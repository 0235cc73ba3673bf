/** The units of one service, from its configuration: the text of each, and where it belongs. Reads only the templates. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import { commandLine, plainValue } from './unit-quote.js';
import { fillTemplate } from './unit-template.js';

/** Whose systemd: the machine's, or the user's own. */
export type Scope = 'system' | 'user';

export interface UnitRequest {
  readonly config: Config;
  readonly scope: Scope;
  /** Node and batond's main file: absolute, symlinks as they were written. */
  readonly self: { readonly node: string; readonly main: string };
  /** What `batond run` is to be told. */
  readonly runArguments: readonly string[];
  readonly user: string | null;
  readonly group: string | null;
  /** As systemd.socket(5) takes them. */
  readonly sockets: readonly string[];
  readonly privilegedPorts: boolean;
}

export interface UnitFile {
  /** "shop.service" */
  readonly unit: string;
  readonly path: string;
  readonly body: string;
}

/** On top of the deadlines of a drain: to tell workers, to reap them and to say so. */
const STOP_MARGIN_MS = 10_000;
/** Ports below are reserved for CAP_NET_BIND_SERVICE, capabilities(7). */
const FIRST_FREE_PORT = 1024;

export function renderUnits(request: UnitRequest, systemdVersion: number): UnitFile[] {
  const { config, scope, self, user, group } = request;
  const { name } = config;
  const ports = needsPrivilegedPorts(request);
  const words = new Set<string>([scope]);
  if (user !== null || group !== null) words.add('account');
  if (ports) words.add('ports');
  const stopMs = config.upgrade.drainTimeoutMs + config.stop.killTimeoutMs + STOP_MARGIN_MS;
  const values = {
    name,
    systemctl: scope === 'user' ? 'systemctl --user' : 'systemctl',
    execStart: commandLine([self.node, self.main, 'run', ...request.runArguments]),
    execReload: commandLine([self.node, self.main, 'reload', '--name', name]),
    stopSeconds: String(Math.ceil(stopMs / 1_000)),
    user: user === null ? null : plainValue(user),
    group: group === null ? null : plainValue(group),
    // Empty takes all of them away.
    capabilities: !isUnprivileged(user) ? null : ports ? 'CAP_NET_BIND_SERVICE' : '',
    wantedBy: scope === 'user' ? 'default.target' : 'multi-user.target',
    addresses: request.sockets.map(plainValue),
  };
  const facts = { values, words, systemdVersion };
  const file = (kind: 'service' | 'socket'): UnitFile => ({
    unit: `${name}.${kind}`,
    path: unitPath(scope, `${name}.${kind}`),
    body: fillTemplate(readTemplate(kind), facts),
  });
  return request.sockets.length === 0 ? [file('service')] : [file('service'), file('socket')];
}

/** Only for a user that is not root, and of the machine's systemd: a user's own cannot give what it has not. */
function needsPrivilegedPorts({ config, scope, user, privilegedPorts }: UnitRequest): boolean {
  if (scope === 'user' || !isUnprivileged(user)) return false;
  if (privilegedPorts) return true;
  return config.listeners.some(({ address }) => address.kind === 'tcp' && isPrivileged(address.port));
}

/** Root needs no capability given, and its programs expect all of its own. */
const isUnprivileged = (user: string | null) => user !== null && user !== 'root' && user !== '0';

const isPrivileged = (port: number) => port > 0 && port < FIRST_FREE_PORT;

export function readTemplate(kind: 'service' | 'socket'): string {
  return readFileSync(new URL(`../../units/batond.${kind}`, import.meta.url), 'utf8');
}

export function unitPath(scope: Scope, unit: string): string {
  return join(scope === 'system' ? '/etc/systemd/system' : join(configHome(), 'systemd/user'), unit);
}

/** Where else a unit of that name may be, which ours would hide, systemd.unit(5). */
export function otherUnitPaths(scope: Scope, unit: string): string[] {
  const folders =
    scope === 'system'
      ? ['/run/systemd/system', '/usr/local/lib/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system']
      : ['/etc/systemd/user', '/usr/local/lib/systemd/user', '/usr/lib/systemd/user'];
  return folders.map((folder) => join(folder, unit));
}

/** What RuntimeDirectory=, StateDirectory= and CacheDirectory= make, systemd.exec(5). */
export function unitDirectories(scope: Scope, name: string): Readonly<Record<'runtime' | 'state' | 'cache', string[]>> {
  const of = (...roots: string[]) => roots.map((root) => join(root, 'batond', name));
  if (scope === 'system') return { runtime: of('/run'), state: of('/var/lib'), cache: of('/var/cache') };
  const home = homedir();
  return {
    runtime: process.env.XDG_RUNTIME_DIR === undefined ? [] : of(process.env.XDG_RUNTIME_DIR),
    // Before 254 a user's state was kept with their configuration.
    state: of(process.env.XDG_STATE_HOME ?? join(home, '.local/state'), configHome()),
    cache: of(process.env.XDG_CACHE_HOME ?? join(home, '.cache')),
  };
}

const configHome = () => process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config');
