/** What of the configuration is still to come into force, in sentences that name its keys. */
import type { Pending } from './in-force.js';

const NEEDS: Readonly<Record<Pending['needs'], string>> = {
  reload: 'with the next reload',
  restart: 'when the service is stopped and started',
};

/** "Of the configuration env and args come into force with the next reload." */
export function describePending(pending: readonly Pending[]): string {
  return (['reload', 'restart'] as const)
    .flatMap((needs) => {
      const keys = pending.filter((one) => one.needs === needs).map(({ key }) => key);
      if (keys.length === 0) return [];
      return `Of the configuration ${joined(keys)} ${keys.length === 1 ? 'comes' : 'come'} into force ${NEEDS[needs]}.`;
    })
    .join(' ');
}

function joined(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
