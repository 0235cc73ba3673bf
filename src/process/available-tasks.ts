/** How many tasks (processes and threads) may still be begun, by the limits of the control groups above this process. */
import { type Available, tightest } from './available-memory.js';
import { controlGroups, groupNumber } from './control-groups.js';

/** Null where no group has a limit. `root` is where proc and sys are found. */
export function availableTasks(root = '/'): Available | null {
  const known = controlGroups('pids', root).flatMap((group): Available[] => {
    const [limit, current] = [groupNumber(group, 'pids.max'), groupNumber(group, 'pids.current')];
    if (limit === null || current === null) return [];
    return [{ amount: Math.max(0, limit - current), of: `pids.max of ${group.name}` }];
  });
  return tightest(known);
}
