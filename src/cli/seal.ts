/** `batond seal`: writes down what a release is made of, on the machine that builds it; needs no service. */
import type { Command } from 'commander';
import { BatondError } from '../errors.js';
import { print } from './print.js';

interface SealFlags {
  readonly key?: string;
  readonly without?: readonly string[];
  readonly check?: boolean;
  readonly publicKey?: string;
  readonly newKey?: string;
  readonly json?: boolean;
}

export function registerSeal(program: Command): void {
  program
    .command('seal')
    .description('write down what a release is made of, for release.verify; sign it with --key')
    .argument('[directory]', 'of the release')
    .option('--key <file>', 'sign it with this ed25519 key (PEM)')
    .option('--without <path>', 'leave this file or folder out, since it may change; may be repeated', collect)
    .option('--check', 'compare the release with its seal instead')
    .option('--public-key <file>', 'with --check: the key that it must be signed with')
    .option('--new-key <file>', 'make a key for --key, and <file>.pub for release.public_key')
    .option('--json', 'print what was done as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  batond seal --new-key shop.key\n  batond seal /srv/shop/r7 --key shop.key --without uploads\n' +
        '  cd /srv/shop/r7 && sha256sum --quiet -c .batond-seal',
    )
    .action(async (directory: string | undefined, options: SealFlags) => {
      if (options.newKey !== undefined) await makeKey(options.newKey);
      if (directory === undefined) {
        if (options.newKey !== undefined) return;
        throw new BatondError('REQUEST_INVALID', { problem: 'which release? batond seal /srv/shop/r7' });
      }
      const { text, facts } = options.check === true ? await check(directory, options) : await seal(directory, options);
      print(options.json === true ? `${JSON.stringify(facts)}\n` : `${text}\n`);
    });
}

async function makeKey(file: string): Promise<void> {
  const { writeKeyPair } = await import('../release/signature.js');
  writeKeyPair(file);
  process.stderr.write(`made ${file} (keep it where releases are built) and ${file}.pub (release.public_key)\n`);
}

async function seal(directory: string, { key, without }: SealFlags) {
  const { sealRelease } = await import('../release/seal.js');
  const paths = (without ?? []).map((path) => path.replace(/^(\.\/)+|\/+$/g, ''));
  const facts = sealRelease(directory, { keyFile: key ?? null, without: paths });
  const { files, links, bytes, signed } = facts;
  const megabytes = (bytes / 2 ** 20).toFixed(1);
  const text = `sealed ${facts.directory}: ${files} files, ${links} symlinks, ${megabytes} MB, ${signed ? 'signed' : 'not signed'}`;
  return { facts, text };
}

async function check(directory: string, { publicKey }: SealFlags) {
  const { realpathSync } = await import('node:fs');
  const { verifyRelease } = await import('../release/verify.js');
  let root: string;
  try {
    root = realpathSync.native(directory);
  } catch (error) {
    throw new BatondError('DIRECTORY_NOT_FOUND', { directory }, error);
  }
  const facts = verifyRelease(root, { publicKey: publicKey ?? null, required: [] });
  const { files, links, signed } = facts;
  return {
    facts,
    text: `${root} is as it was sealed${signed ? ' and signed' : ''}: ${files} files, ${links} symlinks`,
  };
}

const collect = (value: string, before: readonly string[] = []) => [...before, value];
