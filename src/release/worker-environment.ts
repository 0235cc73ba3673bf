/**
 * The environment of a worker: the supervisor's, without what speaks of the supervisor's own process, and the config's
 * on top. What a worker is told by batond itself is added by whoever starts it.
 */
import { isReservedVariable } from '../config/reserved-environment.js';

export function workerEnvironment(
  added: Readonly<Record<string, string>>,
  inherited: NodeJS.ProcessEnv,
): Record<string, string> {
  const kept = Object.entries(inherited).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && !isReservedVariable(pair[0]),
  );
  return Object.fromEntries([...kept, ...Object.entries(added)]);
}
