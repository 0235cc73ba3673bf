/**
 * The ids of what the log says, MESSAGE_ID of systemd.journal-fields(7): `journalctl MESSAGE_ID=...` finds one kind of
 * entry over all versions, and `journalctl -x` shows what units/batond.catalog has to say of it. Pure data: an id stays
 * what it is for ever, and one that is used no more is not used again.
 */
import type { LogRecord } from './journal-fields.js';

/** Of each field of a record its value, or one of several; null is one that it has not. */
type Where = Readonly<Record<string, string | null | ReadonlySet<string>>>;

interface MessageRow {
  /** 128 bits, in hexadecimal. */
  readonly id: string;
  readonly event: string;
  readonly where: Where;
}

const row = (id: string, event: string, where: Where = {}): MessageRow => ({ id, event, where });

/** Verdicts for which a candidate was started; the others are given before that. */
const ROLLED_BACK: ReadonlySet<string> = new Set([
  'CANDIDATE_NOT_STARTED',
  'CANDIDATE_EXITED',
  'CANDIDATE_NOT_READY',
  'CANDIDATE_NOT_ANSWERING',
  'CANDIDATE_NOT_OPENED',
  'CANARY_NOT_POSSIBLE',
  'STATE_NOT_SAVED',
  'STATE_TOO_LARGE',
  'STATE_NOT_RESTORED',
  'SOAK_FAILED',
  'CLIENT_GONE',
  'STOPPING',
  'SUPERVISOR_DIED',
]);

/** The first row that fits a record is its. */
export const MESSAGES: readonly MessageRow[] = [
  row('ac4165d0cc77459dbe40f98b952dd3a4', 'verdict', { code: null }),
  row('e8ace987f43c4c998f185fb30cc5232a', 'verdict', { code: ROLLED_BACK }),
  row('ccd32e3769fa4d96ad3c3766f3e7c088', 'verdict'),
  row('4fbdac8e715d4f529aa07c495a928a4c', 'not-admitted'),
  row('50e00c8c18844e2ea0366ac671b58526', 'reload'),
  row('b54afdd6d5054e6d99d643dcbf754570', 'took-over'),
  row('7e1fc22096164b6f8d8a28e4de59ddab', 'adopted'),
  row('7df134788c1247e2a169f1df0fa180fc', 'not-adopted'),
  row('87ca49d60943493a999499fa3be0367a', 'strays'),
  row('ad21135ce1b84cb58cdb2c77de407736', 'stands-in'),
  row('d3117d14826c419ebc55b4ee4fa7c16a', 'config-refused'),
  row('6c7c14fdc17c4362a2e6810d989a7847', 'config-read'),
  row('a476ad1e037240d08c0dfe28516de507', 'ready'),
  row('87ae530ecaf642f58a4b8a6165d5483d', 'start-failed'),
  row('be9f587db1df45a0bd9beb2d8e8788cc', 'fall-back'),
  row('83bbf06d5c984aff939ab9b75d350dc3', 'crash'),
  row('4dfe06e35de142de93b14701fc6a38c1', 'healing', { cause: 'oom' }),
  row('56aefdab38eb442ca906a3078868c81a', 'healing', { action: 'keep' }),
  row('6fa00a1b5fcd4304b68fcd36e2da9797', 'healing', { action: 'done' }),
  row('7eea4e08acf948f49ac0075d323d5355', 'healing'),
  row('f0eb58283fa4445890213612c8796e02', 'crash-evidence'),
  row('b28555b0c63f476e9aa6536b5d5c015e', 'auxiliary-missing'),
  row('2aa9871401304c5c8e97113aeac6a62f', 'boot-timeout'),
  row('2753983b90f24348989a2f3eb5121bd5', 'regret'),
  row('597fc7f917b947d0812c8abfc2d3319c', 'lost'),
  row('6b6c49c11852474ba70a317d080903da', 'done'),
  row('f4350f87b9e54664a37aa707abb363d3', 'level', { health: 'OK' }),
  row('85f88d59d4a8482c9a13b36defa123f5', 'level'),
  row('bf25c88fdb2e4bf9a2525086984b06e4', 'service-level', { health: 'OK' }),
  row('0e6e676bb122424a9169308c538c25ea', 'service-level'),
  row('a2fd825da0194bd7a9b7726fd22b6701', 'probe'),
  row('899d7bd9efc841339913d28eea176adc', 'held-back'),
  row('2ee00cf72f0f4e13ab7494e1557e7610', 'let-accept'),
  row('6935ebf9d18045898e885324eb7f2aa2', 'liveness'),
  row('79d58f59a09744e68a0b917a9429d232', 'degraded'),
  row('b7707f9cd38343a98d0232c0a68f3988', 'degrade-over'),
  row('e7904a3a81de4ca3aacb9bc2fac691f4', 'hook-failed'),
  row('52dc2aa1ac47495e9b3701ba3fbc6b42', 'drain-timeout'),
  row('7c5385aa00eb4bf49d86e8a6ef613a02', 'held'),
  row('f5db514a7dd14af39494bc64d2d10cd4', 'kill'),
  row('0a7ef0d7f7584799986557fb79ac770f', 'leak'),
  row('d8c0cc3e700141a89033d3098a6296ef', 'state-lost'),
  row('ccc0eedb219a4552b837e00946c1fa6d', 'canary-by-hand'),
  row('c5e84becc45d4a0bb578fba8d4210e81', 'canary-late'),
  row('d96bdc58a4664c15979fee875ab0450f', 'pause-late'),
  row('bc48ddf50a6641bf8c9be3ece0489a07', 'evidence'),
  row('a0c08507ed214bb2bfbf90e0fb90e5f4', 'report'),
  row('da7234a0716843b6a98e5d946d0234ac', 'current-moved'),
  row('c322b37abd0142779a94854d9c2ac0ca', 'watch-failed'),
  row('754e6a7201c745e596b126656a2e7256', 'put-back'),
  row('57a25de0b1c447c0b035ac4b3a4bd3ae', 'verified'),
  row('4ae3eecd91f04bc289319a8f9d241b6e', 'unprotected'),
  row('a3d226faae514aa8bfe5ef587df39afe', 'protected'),
  row('c7206aba486a43958a1fb2b768ab304b', 'state-unwritable'),
  row('e5313066ba054fc1bd6f66bf9a390b89', 'history-unwritable'),
  row('153395b0f5a84fc88f815dfd006fbe03', 'report-unwritable'),
  row('7903a683ce0b49c6bd904b437ad5b8b8', 'state-unreadable'),
  row('8ad885f322824cbeb4e83ec4deb8736d', 'history-unreadable'),
  row('74adca133a5147d0b4aa1e6e142342e5', 'admin'),
  row('c629b3f8c42f4abfa9a197c3322ef195', 'metrics'),
  row('62c8ab7f7fdc42f88341a54f67f82b8d', 'trace-failed'),
  row('03d1d70fabe24b499140b5de89e2a333', 'control-socket'),
  row('4ccb9c67313c4f5e82b96cf90ab8fdcc', 'listen-refused'),
  row('b96deb849d054a15b3a6f6a7e5b4c056', 'not-a-listener'),
  row('e701ce0abd114dccb0d15b8aecf583dc', 'audit'),
  row('0790ec23a2994d4b82caee2e63588cb0', 'refused'),
  row('8ac99b50681a44d386b63b93eb8cf22e', 'leave'),
  row('34ea2f1362fe47afa9b6a2d21dd17f39', 'stop'),
  row('e896ffb52ec748aa95968056308a787c', 'stop-now'),
  row('9a54fcad81844cf3825b704c8e1f2194', 'quit'),
  row('168392246d714e5abb1f38b2fa097951', 'stopped'),
  row('702129a13d8e4da28f57e790bcd88844', 'kill-predecessor'),
  row('478fb97881a74ae894085bac85d80cf4', 'supervisor-died'),
  row('af4aa50ff92046ac8185bd77f65f7f8c', 'watchdog'),
  row('354b0c2e5a494cb2b339772f69bc3a0a', 'host-gone'),
];

/** What the log says of its own doing, step by step, or line by line of somebody else: nothing there is to be looked up. */
export const WITHOUT_ID: ReadonlySet<string> = new Set([
  'auxiliary-waits',
  'drain',
  'fd-store',
  'gone',
  'hook',
  'hook-output',
  'kill-supervisor',
  'log-level',
  'profile',
  'roll',
  'roll-ignored',
  'scale-waits',
  'scaled',
  'signal',
  'signal-refused',
  'step',
  'takeover',
  'takeover-ignored',
  'worker-exited',
  'worker-started',
]);

export function messageIdOf(record: LogRecord): string | null {
  const { event } = record;
  if (typeof event !== 'string') return null;
  return MESSAGES.find((one) => one.event === event && fits(record, one.where))?.id ?? null;
}

function fits(record: LogRecord, where: Where): boolean {
  return Object.entries(where).every(([key, wanted]) => {
    const found = record[key] ?? null;
    return wanted instanceof Set ? wanted.has(found) : found === wanted;
  });
}
