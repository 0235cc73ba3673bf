/** `batond stop`: ends the service gracefully and waits until it has ended, and its host with it. */
import type { Command } from 'commander';
import { print } from './print.js';

export function registerStop(program: Command): void {
  program
    .command('stop')
    .description('finish what is in flight, then end the service')
    .option('--name <name>', 'the service; by default that of batond.toml here, or the only one that runs')
    .option('--config <file>', 'the configuration that names it')
    .addHelpText(
      'after',
      '\nExample:\n  batond stop --name shop\n\nAnother one while it stops ends it at once.\nUnder systemd this is systemctl stop.',
    )
    .action(async (options: { name?: string; config?: string }) => {
      const { dirname } = await import('node:path');
      const { ControlClient } = await import('../control/client.js');
      const { controlSockets } = await import('../control/paths.js');
      const { isForeign } = await import('../control/runtime-directory.js');
      const { hostOf } = await import('../host/lock.js');
      const { waitForExit } = await import('../process/wait-for-exit.js');
      const { serviceName } = await import('./service-name.js');
      const name = await serviceName(options);
      const client = new ControlClient(name, process.env);
      const { supervisor, managedBy } = await client.status();
      if (managedBy !== null) {
        // Restart=always would start again what only ended; systemd has to hear that the end is wanted.
        const { systemctl } = await import('../systemd/systemctl.js');
        systemctl(managedBy.scope, ['stop', managedBy.unit]);
        print(`${name} has stopped\n`);
        return;
      }
      // Whoever starts it again right after this must not meet the lock and the PID file of a host that is leaving.
      const directories = controlSockets(name, process.env).map((socket) => dirname(socket));
      const hosts = directories.filter((directory) => !isForeign(directory)).map(hostOf);
      const ended = [supervisor.pid, ...hosts].map((pid) => (pid === null ? null : waitForExit(pid)));
      await client.stop();
      await Promise.all(ended);
      print(`${name} has stopped\n`);
    });
}
