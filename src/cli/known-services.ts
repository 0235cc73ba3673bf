/** The services that this machine knows: those that run here, and those that batond has installed. */
import { KEYS } from '../config/keys.js';
import { installedServices } from '../systemd/installed-units.js';
import { runningServices } from './service-name.js';

/** Sorted, each once. A name that no service can have is somebody else's folder. */
export async function knownServices(): Promise<string[]> {
  const names = [...(await runningServices()), ...installedServices('system'), ...installedServices('user')];
  return [...new Set(names)].filter((name) => KEYS.name.type.pattern.test(name)).sort();
}
