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
    // What serves is the main program; of what runs beside it is said what is wrong.
    const [main] = incumbent.processes;
    const isMain = ({ slot }: { slot: number }) => main.slots.includes(slot);
    const serving = [...incumbent.workers.values()].filter((one) => isMain(one) && one.phase === 'open').length;
    const addresses = inventory.listeners.all().map(describeListener);
    const where = addresses.length === 0 ? '' : ` on ${addresses.join(', ')}`;
    const rests = [...incumbent.healing.slots.values()];
    const done = rests.filter((one) => isMain(one) && one.rest === 'done').length;
    const meant = main.slots.length - done;
    const short = serving < meant && roll === 'steady' ? ` of ${meant}` : '';
    parts.push(
      `Generation ${incumbent.number} (${incumbent.release.label}) serves${where} with ${serving}${short} ${plural(serving, 'worker')}.`,
    );
    if (done > 0) parts.push(`${count(done, 'worker')} of it ${done === 1 ? 'is' : 'are'} done.`);
    for (const one of rests) {
      const { slot, reason, rest } = one;
      const who = isMain(one) ? `worker ${slot}` : `${incumbent.processOf(slot).name} (worker ${slot})`;
      if (rest === 'kept') {
        parts.push(`Degraded: ${who} ${firstLine(reason)}, and is not started again before a reload.`);
      } else if (!isMain(one) && (rest === 'waiting' || incumbent.workers.get(slot)?.phase === 'booting')) {
        parts.push(`Degraded: ${who} ${firstLine(reason)}, and is started again.`);
      }
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
