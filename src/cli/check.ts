/** `batond check`: validates a configuration without starting anything. */
import type { Command } from 'commander';
import type { Config } from '../config/config.js';
import type { Pending } from '../config/in-force.js';
import { type Applies, type ConfigFlags, KEY_PATHS, keyOf } from '../config/keys.js';
import { describePending } from '../config/pending-words.js';
import { BatondError } from '../errors.js';
import type { ReleaseProcess } from '../release/release.js';
import { print } from './print.js';
import { addConfigFlags } from './run.js';

interface CheckFlags extends ConfigFlags {
  readonly config?: string;
  readonly json?: boolean;
  readonly schema?: boolean;
}

/** What `--json` prints. */
export interface CheckFacts {
  /** Durations are in milliseconds, sizes in bytes. */
  readonly config: Config;
  /** Where each value comes from that is no default, by its key: "batond.toml:5", "--workers". */
  readonly origins: Readonly<Record<string, string>>;
  /** How a change of each key comes into force while the service runs: live, by a reload, by a stop and a start. */
  readonly applies: Readonly<Record<string, Applies>>;
  /** What of it the service that runs has not in force yet, as that service says; null where none of the name runs. */
  readonly pending: readonly Pending[] | null;
  readonly release: {
    readonly label: string;
    readonly directory: string;
    readonly argv: readonly string[];
    /** What runs beside the main program. */
    readonly processes: readonly (Pick<ReleaseProcess, 'name' | 'tier' | 'workers' | 'ready'> & {
      readonly argv: readonly string[];
    })[];
  };
}

export function registerCheck(program: Command): void {
  const command = program
    .command('check')
    .description('validate the configuration and show what would be run')
    .argument('[entry]', 'the entry, where no configuration names it')
    .option('--config <file>', 'the configuration, batond.toml by default')
    .option('--json', 'print it as JSON')
    .option('--schema', 'print the JSON Schema of batond.toml instead, for editors');
  addConfigFlags(command);
  command
    .addHelpText('after', '\nExample:\n  batond check --config /etc/shop/batond.toml')
    .action(async (entry: string | undefined, options: CheckFlags) => {
      if (options.schema === true) {
        const { configSchema } = await import('../config/schema.js');
        print(`${JSON.stringify(configSchema(), null, 2)}\n`);
        return;
      }
      const { availableParallelism } = await import('node:os');
      const { readConfig } = await import('../config/load.js');
      const { configFacts, renderConfig } = await import('../config/render.js');
      const { workingDirectory } = await import('../config/working-directory.js');
      const { argvOf, resolveRelease } = await import('../release/release.js');
      const loaded = readConfig({
        cwd: workingDirectory(process.env),
        configFile: options.config,
        flags: { ...options, entry },
        cores: availableParallelism(),
      });
      const release = resolveRelease(loaded.config, { env: process.env, execPath: process.execPath, now: Date.now() });
      const { label, directory } = release;
      const argv = argvOf(release);
      const processes = (release.processes ?? []).map((one) => ({ ...facts(one), argv: argvOf(one) }));
      const pending = await pendingOf(loaded.config.name);
      if (options.json === true) {
        const applies = Object.fromEntries(KEY_PATHS.map((path) => [path, keyOf(path).applies]));
        const all: CheckFacts = {
          ...configFacts(loaded),
          applies,
          pending,
          release: { label, directory, argv, processes },
        };
        print(`${JSON.stringify(all, null, 2)}\n`);
      } else {
        const beside = processes.map((one) => `beside it ${one.name} (${one.tier}): ${one.argv.join(' ')}\n`);
        const waits = pending === null || pending.length === 0 ? '' : `${describePending(pending)}\n`;
        print(`${renderConfig(loaded)}\n\nwould run ${label}: ${argv.join(' ')}\n${beside.join('')}${waits}`);
      }
    });
}

/** A service that cannot be asked is none that a check could speak of. */
async function pendingOf(name: string): Promise<readonly Pending[] | null> {
  const { ControlClient } = await import('../control/client.js');
  try {
    return (await new ControlClient(name, process.env).status()).configPending ?? null;
  } catch (error) {
    if (error instanceof BatondError) return null;
    throw error;
  }
}

const facts = ({ name, tier, workers, ready }: ReleaseProcess) => ({ name, tier, workers, ready });
