/** `batond uninstall`: ends a service and takes back what install made. */
import type { Command } from 'commander';

interface UninstallFlags {
  readonly name?: string;
  readonly config?: string;
  readonly userUnit?: boolean;
  readonly purge?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function registerUninstall(program: Command): void {
  program
    .command('uninstall')
    .description('end a service of systemd and take back what install made')
    .option('--name <name>', 'the service')
    .option('--config <file>', 'the configuration that names it')
    .option('--user-unit', 'a service of your own, of systemctl --user')
    .option('--purge', 'remove its state directory too, with what the app keeps there')
    .option('--force', 'remove a unit that was edited since batond wrote it')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExample:\n  batond uninstall --name shop')
    .action(async ({ userUnit, purge, force, json, ...options }: UninstallFlags) => {
      const { KEYS } = await import('../config/keys.js');
      const { BatondError } = await import('../errors.js');
      const { uninstallUnits } = await import('../systemd/uninstall-units.js');
      const { serviceName } = await import('./service-name.js');
      const name = await serviceName(options);
      // It becomes part of paths that are removed.
      if (!KEYS.name.type.pattern.test(name)) throw new BatondError('UNIT_NOT_INSTALLED', { name });
      const { removed, kept } = uninstallUnits({
        scope: userUnit === true ? 'user' : 'system',
        name,
        purge: purge === true,
        force: force === true,
      });
      const lines = [
        ...removed.map((path) => `removed ${path}`),
        ...kept.map(({ path, why }) => `kept ${path}: ${why}`),
      ];
      process.stdout.write(json === true ? `${JSON.stringify({ removed, kept }, null, 2)}\n` : `${lines.join('\n')}\n`);
    });
}
