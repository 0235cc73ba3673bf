/** `batond install`: makes a service of an entry or a configuration: its unit, checked, enabled and, if asked, started. */
import type { Command } from 'commander';
import type { Config } from '../config/config.js';
import { type ConfigFlags, KEY_PATHS, keyOf } from '../config/keys.js';
import type { InstallPlan } from '../systemd/install-units.js';
import type { Scope, UnitRequest } from '../systemd/unit-files.js';
import { addConfigFlags } from './run.js';

export interface InstallOptions extends ConfigFlags {
  readonly config?: string;
  readonly user?: string;
  readonly group?: string;
  readonly userUnit?: boolean;
  readonly socket: readonly string[];
  readonly privilegedPorts?: boolean;
  readonly dryRun?: boolean;
  readonly now?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function registerInstall(program: Command): void {
  const command = program
    .command('install')
    .description('make it a service of systemd')
    .argument('[entry]', keyOf('entry').about)
    .argument('[args...]', 'arguments of the entry, after --')
    .option('--config <file>', 'the configuration, batond.toml by default');
  addConfigFlags(command);
  command
    .option('--user <user>', 'the account that it runs as, by default root')
    .option('--group <group>', 'the group that it runs as, by default that of the user')
    .option('--user-unit', 'a service of your own, of systemctl --user')
    .option('--socket <address>', 'let systemd bind this address (a .socket unit); may be repeated', collect, [])
    .option('--privileged-ports', 'let it listen below port 1024 without being root')
    .option('--dry-run', 'show the units and the commands, and change nothing')
    .option('--now', 'start it as well, and wait until it serves')
    .option('--force', 'overwrite a unit that was edited since batond wrote it')
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', '\nExample:\n  batond install ./server.js --name shop --user shop --workers 2 --now')
    .action(async (entry: string | undefined, args: string[], options: InstallOptions, self: Command) => {
      const { carryOut, commandText, planInstall } = await import('../systemd/install-units.js');
      const request = await requestOf({ ...options, entry, args }, options, self);
      const plan = planInstall(request, { now: options.now === true, force: options.force === true });
      const dryRun = options.dryRun === true;
      const unexplained = dryRun ? null : carryOut(plan);
      const hints = await hintsOf(request, plan, options);
      if (unexplained !== null) hints.push(`journalctl -x will not explain what batond says: ${unexplained}`);
      const report: Installed = { ...factsOf(plan, commandText), dryRun, hints };
      process.stdout.write(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
    });
}

const collect = (value: string, before: readonly string[]) => [...before, value];

/** Throws what is wrong with the flags or the configuration, as `batond run` would when systemd starts it. */
async function requestOf(flags: ConfigFlags, options: InstallOptions, self: Command): Promise<UnitRequest> {
  const { availableParallelism } = await import('node:os');
  const { loadConfig } = await import('../config/load.js');
  const { selfCommand } = await import('../host/self.js');
  const { resolveRelease } = await import('../release/release.js');
  const { socketAddress } = await import('../systemd/socket-address.js');
  const own = selfCommand();
  const config = loadConfig({ cwd: own.cwd, configFile: options.config, flags, cores: availableParallelism() });
  resolveRelease(config, { env: process.env, execPath: process.execPath, now: Date.now() });
  const scope = options.userUnit === true ? 'user' : 'system';
  const { user = null, group = null, privilegedPorts = false } = options;
  if (scope === 'user' && (user !== null || group !== null || privilegedPorts)) {
    self.error('error: --user-unit is your own: --user, --group and --privileged-ports are for the system');
  }
  await refuseUnknownAccounts(user, group);
  return {
    config,
    scope,
    // By the paths they were called by: a symlink of npm's outlives an update, what it leads to does not.
    self: { node: own.file, main: process.argv[1] ?? '' },
    runArguments: runArguments(flags, config),
    user,
    group,
    sockets: options.socket.map(socketAddress),
    privilegedPorts,
  };
}

/**
 * The flags of `batond run` that say the same from any directory. The unit sets no WorkingDirectory=: it would pin the
 * directory of the first release, and keep the service from starting when that is gone.
 */
export function runArguments(flags: ConfigFlags, config: Config): string[] {
  const said = ['--name', config.name];
  if (config.file !== null) said.push('--config', config.file);
  if (config.file === null || flags.directory !== undefined) said.push('--directory', config.directory);
  for (const path of KEY_PATHS) {
    const { flag } = keyOf(path);
    if (flag === undefined || !flag.option.startsWith('--') || DONE.has(flag.property)) continue;
    const option = flag.option.split(' ')[0]!;
    if (option === '--') continue;
    for (const value of [flags[flag.property] ?? []].flat()) {
      const absolute = flag.property === 'runtime' && config.program.kind === 'node' ? config.program.runtime : value;
      // With "=", or a value that begins with a hyphen would be taken for a flag.
      said.push(`${option}=${absolute}`);
    }
  }
  if (flags.entry === undefined || config.program.kind !== 'node') return said;
  const args = flags.args ?? [];
  return [...said, config.program.entry, ...(args.length === 0 ? [] : ['--', ...args])];
}

const DONE = new Set<keyof ConfigFlags>(['name', 'directory']);

async function refuseUnknownAccounts(user: string | null, group: string | null): Promise<void> {
  const { BatondError } = await import('../errors.js');
  const { accountExists } = await import('../systemd/systemctl.js');
  if (user !== null && !accountExists('passwd', user)) {
    throw new BatondError('CONFIG_INVALID', { problem: `--user: there is no user ${user}` });
  }
  if (group !== null && !accountExists('group', group)) {
    throw new BatondError('CONFIG_INVALID', { problem: `--group: there is no group ${group}` });
  }
}

/** What is worth knowing and no reason to refuse. */
async function hintsOf(request: UnitRequest, plan: InstallPlan, options: InstallOptions): Promise<string[]> {
  const { existsSync } = await import('node:fs');
  const { commandText } = await import('../systemd/install-units.js');
  const hints: string[] = [];
  const { scope, user, self } = request;
  const service = `${plan.name}.service`;
  const beside = (request.config.processes ?? []).map(({ name, tier }) => `${name} (${tier})`);
  if (beside.length > 0) hints.push(`Beside the main program it runs ${beside.join(', ')}.`);
  if (scope === 'user') hints.push('journalctl -x explains nothing of it: its catalog is that of the system.');
  if (!plan.verified) hints.push('The unit was not checked: systemd-analyze is not installed.');
  if (scope === 'system' && user === null) hints.push('It runs as root: --user names an account with less power.');
  if (/\/(_npx|\.npm|dlx)[-/]/.test(self.main)) {
    hints.push(`${self.main} is in a cache that may be emptied: install batond for good (npm install -g batond).`);
  }
  const account = process.env.USER ?? '';
  if (scope === 'user' && account !== '' && !existsSync(`/var/lib/systemd/linger/${account}`)) {
    hints.push('It ends when you log out, and does not start at boot: loginctl enable-linger changes both.');
  }
  const changed = plan.files.some(({ diff }) => diff !== null && diff.length > 0) || plan.obsolete.length > 0;
  if (options.now === true) return hints;
  if (!plan.wasActive) hints.push(`Start it with: ${commandText(scope, ['start', service])}`);
  else if (changed)
    hints.push(
      `The changes apply after: ${commandText(scope, ['restart', service])} && ${commandText(scope, ['reload', service])}`,
    );
  return hints;
}

/** What `--json` prints. */
export interface Installed {
  readonly name: string;
  /** Nothing was done: this is what would be. */
  readonly dryRun: boolean;
  readonly units: readonly {
    readonly path: string;
    readonly change: 'made' | 'changed' | 'unchanged' | 'removed';
    /** Lines that begin with "+" or "-". */
    readonly diff: readonly string[];
    /** The whole unit; empty where it was removed. */
    readonly text: string;
  }[];
  readonly catalog: InstallPlan['catalog'];
  /** That were run, in this order. */
  readonly commands: readonly string[];
  readonly hints: readonly string[];
}

function factsOf(plan: InstallPlan, commandText: (scope: Scope, args: readonly string[]) => string) {
  const removed = plan.obsolete.map(({ path }) => ({ path, change: 'removed' as const, diff: [], text: '' }));
  const written = plan.files.map(({ path, body, diff }) => ({
    path,
    change: diff === null ? ('made' as const) : diff.length > 0 ? ('changed' as const) : ('unchanged' as const),
    diff: diff ?? [],
    text: body,
  }));
  const commands = [...plan.before, ...plan.after, ...plan.start].map((args) => commandText(plan.scope, args));
  const { name, catalog } = plan;
  const update = catalog === null || catalog.change === 'unchanged' ? [] : ['journalctl --update-catalog'];
  return { name, units: [...removed, ...written], catalog, commands: [...commands, ...update] };
}

function describe({ units, catalog, commands, hints, dryRun }: Installed): string {
  const lines: string[] = [];
  const say = (path: string, change: string) =>
    lines.push(dryRun && change !== 'unchanged' ? `${path} would be ${change}` : `${path} ${change}`);
  for (const { path, change, diff, text } of units) {
    say(path, change);
    lines.push(...diff.map((line) => `  ${line}`));
    if (dryRun && change === 'made') lines.push('', text);
  }
  if (catalog !== null) say(catalog.path, catalog.change);
  lines.push(...commands.map((command) => `${dryRun ? 'would run' : 'ran'} ${command}`));
  return `${[...lines, ...hints].join('\n')}\n`;
}
