/** The sentence that `systemctl status` and `batond status` show: what serves, and what the last reload came to. */
import type { Inventory } from '../inventory/inventory.js';
import { describeListener } from '../inventory/listeners.js';
import type { RollState } from '../roll/roll.js';

export function summarize(inventory: Inventory, roll: RollState, handing: boolean, stopping: boolean): string {
  const { incumbent, candidate, lastReload } = inventory;
  if (stopping) return `Stopping: ${count(inventory.workers().length, 'worker')} still to finish.`;
  const parts: string[] = [];
  if (incumbent === null) parts.push(candidate === null ? 'Starting.' : `Starting ${candidate.release.label}.`);
  else {
    const serving = [...incumbent.workers.values()].filter(({ phase }) => phase === 'open').length;
    const addresses = inventory.listeners.all().map(describeListener);
    const where = addresses.length === 0 ? '' : ` on ${addresses.join(', ')}`;
    const done = [...incumbent.healing.slots.values()].filter(({ rest }) => rest === 'done').length;
    const meant = incumbent.slots - done;
    const short = serving < meant && roll === 'steady' ? ` of ${meant}` : '';
    parts.push(
      `Generation ${incumbent.number} (${incumbent.release.label}) serves${where} with ${serving}${short} ${plural(serving, 'worker')}.`,
    );
    if (done > 0) parts.push(`${count(done, 'worker')} of it ${done === 1 ? 'is' : 'are'} done.`);
    for (const { slot, reason } of incumbent.healing.kept()) {
      parts.push(`Degraded: worker ${slot} ${firstLine(reason)}, and is not started again before a reload.`);
    }
    if (candidate !== null)
      parts.push(`Generation ${candidate.number} (${candidate.release.label}) is ${DOING[roll]}.`);
    else if (handing) parts.push('The next supervisor is taking over.');
  }
  const draining = inventory.byRole('draining').length;
  if (draining > 0) parts.push(`${count(draining, 'older generation')} still ${draining === 1 ? 'drains' : 'drain'}.`);
  if (lastReload !== null && !lastReload.ok && candidate === null)
    parts.push(`Last reload failed: ${lastReload.message}.`);
  return parts.join(' ');
}

const DOING: Record<RollState, string> = {
  steady: 'over',
  booting: 'booting',
  probing: 'being probed',
  canarying: 'a canary',
  restoring: 'being given its state',
  switching: 'taking over the traffic',
  soaking: 'on trial',
  committing: 'being committed',
  rollingBack: 'being taken back',
};

const firstLine = (text: string) => text.split('\n', 1)[0];
const plural = (n: number, noun: string) => (n === 1 ? noun : `${noun}s`);
const count = (n: number, noun: string) => `${n} ${plural(n, noun)}`;
