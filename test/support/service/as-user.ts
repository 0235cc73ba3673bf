/** Commands of another user, for tests that run as root: what somebody gets who is not the user of the service. */
import { execFile } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { type CommandResult, MAIN, NODE } from './batond.js';
import type { HostedService } from './hosted.js';

export interface Identity {
  readonly uid: number;
  readonly gid?: number;
  /** Supplementary ones. */
  readonly groups?: readonly number[];
}

/** `batond COMMAND --name shop ...` of a service under the host. */
export function batondAs(identity: Identity, service: HostedService, ...args: string[]): Promise<CommandResult> {
  return runAs(identity, [NODE, MAIN, args[0]!, '--name', 'shop', ...args.slice(1)], service.env);
}

export function runAs(
  { uid, gid = uid, groups = [] }: Identity,
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<CommandResult> {
  const list = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join()}`;
  const through = [`--reuid=${uid}`, `--regid=${gid}`, list, '--', ...command];
  return new Promise((resolve) => {
    execFile('setpriv', through, { env, cwd: '/', timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
    });
  });
}

/** The folder of a service is its user's alone; a service of the system has its own in /run, where all may pass. */
export function letOthersPass(service: HostedService): void {
  chmodSync(service.folder, 0o755);
}
