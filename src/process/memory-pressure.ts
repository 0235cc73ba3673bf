/**
 * The share of the last ten seconds in which a task waited for memory: pressure stall information, "some". That of our
 * own control group, or the machine's where groups have none, which is all there is with cgroups of version 1.
 */
import { join } from 'node:path';
import { controlGroups, readText } from './control-groups.js';

/** 0 to 1; null where the kernel does not say. */
export function memoryPressure(root = '/'): number | null {
  const own = controlGroups('memory', root)[0]?.folder;
  const text = (own === undefined ? null : readText(join(own, 'memory.pressure'))) ?? readMachine(root);
  const found = /^some avg10=(\d+(?:\.\d+)?) /m.exec(text ?? '');
  return found === null ? null : Number(found[1]) / 100;
}

function readMachine(root: string): string | null {
  return readText(join(root, 'proc/pressure/memory'));
}
