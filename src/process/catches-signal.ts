/** Whether a process has a handler for a signal, proc(5): SigCgt. False where it is gone. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

export function catchesSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    const [, mask = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
}
