/** Text in a sealed memfd, memfd_create(2): memory that can be handed on and that no file ever holds. */
import { fstatSync, readSync, writeSync } from 'node:fs';
import { type Fd, native } from '../native.js';
import { Descriptor } from './descriptor.js';

export function sealedMemfd(name: string, text: string): Descriptor {
  const memfd = new Descriptor(native().memfdCreate(name));
  const data = Buffer.from(text);
  for (let at = 0; at < data.length; ) at += writeSync(memfd.fd, data, at);
  native().memfdSeal(memfd.fd);
  return memfd;
}

export function readMemfd(fd: Fd): string {
  const data = Buffer.alloc(fstatSync(fd).size);
  for (let at = 0; at < data.length; ) {
    const read = readSync(fd, data, at, data.length - at, at);
    if (read === 0) throw new Error('the memfd ends too early');
    at += read;
  }
  return data.toString('utf8');
}
