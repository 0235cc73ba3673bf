/** Ed25519 signatures over a seal, with keys as openssl makes them (`openssl genpkey -algorithm ed25519`). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { BatondError } from '../errors.js';

/** Throws KEY_UNUSABLE. */
export function signSeal(seal: Buffer, keyFile: string): Buffer {
  return sign(null, seal, readKey(keyFile, createPrivateKey));
}

/** Throws KEY_UNUSABLE. */
export function isSignedBy(seal: Buffer, signature: Buffer, publicKeyFile: string): boolean {
  return verify(null, seal, readKey(publicKeyFile, createPublicKey), signature);
}

/** Writes a private key, for its owner alone, and `<file>.pub` beside it; never over a file. Throws NOT_WRITABLE. */
export function writeKeyPair(file: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  writeNew(file, privateKey, 0o600);
  writeNew(`${file}.pub`, publicKey, 0o644);
}

function writeNew(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' });
    chmodSync(path, mode);
  } catch (error) {
    throw new BatondError('NOT_WRITABLE', { path, reason: (error as Error).message }, error);
  }
}

function readKey(file: string, parse: (pem: Buffer) => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = parse(readFileSync(file));
  } catch (error) {
    throw new BatondError('KEY_UNUSABLE', { file, reason: (error as Error).message }, error);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new BatondError('KEY_UNUSABLE', { file, reason: `it is of ${key.asymmetricKeyType}, not of ed25519` });
}
