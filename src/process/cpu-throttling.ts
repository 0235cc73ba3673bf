/** How often the CPU quota of a control group has run out: cpu.stat, of the group of this process and of those above. */
import { controlGroups, groupStat } from './control-groups.js';

/** By group; empty where none has a quota. Both count since the group was made. */
export function cpuThrottling(root = '/'): Map<string, { readonly periods: number; readonly throttled: number }> {
  const found = new Map<string, { readonly periods: number; readonly throttled: number }>();
  for (const group of controlGroups('cpu', root)) {
    const [periods, throttled] = [
      groupStat(group, 'cpu.stat', 'nr_periods'),
      groupStat(group, 'cpu.stat', 'nr_throttled'),
    ];
    // Without a quota there are no periods.
    if (periods !== null && throttled !== null && periods > 0) found.set(group.folder, { periods, throttled });
  }
  return found;
}
