/** What a notification says about the fd store, as systemd reads it; and that the host's store is as big as a unit's. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FD_STORE_MAX } from '../../src/host/fd-store.js';
import { parseFdStoreRequest } from '../../src/host/fd-store-message.js';

const store = { kind: 'store', name: 'stored', poll: true, nameRefused: false };

test.each([
  ['READY=1\nFDNAME=a', null],
  ['XFDSTORE=1\nFDSTORE=10', null],
  ['FDSTORE=1', store],
  ['FDSTORE=1\nFDPOLL=1', store],
  ['FDPOLL=0\nFDNAME=listener-1\nFDSTORE=1', { ...store, name: 'listener-1', poll: false }],
  ['FDSTORE=1\nFDNAME=first\nFDNAME=second', { ...store, name: 'first' }],
  ['FDSTORE=1\nFDNAME=', { ...store, name: '' }],
  ['FDSTORE=1\nFDNAME=a=b ~', { ...store, name: 'a=b ~' }],
  [`FDSTORE=1\nFDNAME=${'x'.repeat(255)}`, { ...store, name: 'x'.repeat(255) }],
  [`FDSTORE=1\nFDNAME=${'x'.repeat(256)}`, { ...store, nameRefused: true }],
  ['FDSTORE=1\nFDNAME=a:b', { ...store, nameRefused: true }],
  ['FDSTORE=1\nFDNAME=a\tb', { ...store, nameRefused: true }],
  ['FDSTORE=1\nFDNAME=ä', { ...store, nameRefused: true }],
  ['FDSTOREREMOVE=1\nFDNAME=a', { kind: 'remove', name: 'a' }],
  ['FDSTOREREMOVE=1\nFDNAME=a:b', { kind: 'remove', name: null }],
  ['FDSTOREREMOVE=1', { kind: 'remove', name: null }],
  ['FDSTORE=1\nFDSTOREREMOVE=1\nFDNAME=a', { kind: 'remove', name: 'a' }],
])('%j', (text, request) => {
  expect(parseFdStoreRequest(text)).toEqual(request);
});

test("the host's store holds as many as the installed unit's", () => {
  const unit = readFileSync(new URL('../../units/batond.service', import.meta.url), 'utf8');
  expect(unit).toContain(`FileDescriptorStoreMax=${FD_STORE_MAX}\n`);
});
