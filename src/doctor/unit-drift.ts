/**
 * How a unit differs from what an install of today would write, but for what whoever installed it has chosen: that is
 * read off the unit itself, and put into the template of today. Pure but for the template.
 */
import { lineDiff } from '../systemd/line-diff.js';
import { readTemplate, type Scope } from '../systemd/unit-files.js';
import { fillTemplate } from '../systemd/unit-template.js';

/** Lines with "+" or "-" before them; comments say nothing to systemd, so they do not count. */
export function unitDrift(
  body: string,
  { name, scope, systemdVersion }: { readonly name: string; readonly scope: Scope; readonly systemdVersion: number },
): string[] {
  const said = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(body)?.[1] ?? null;
  const [user, group, capabilities] = [said('User'), said('Group'), said('CapabilityBoundingSet')];
  const words = new Set<string>([scope]);
  if (user !== null || group !== null) words.add('account');
  if (said('AmbientCapabilities') !== null) words.add('ports');
  const values = {
    name,
    systemctl: scope === 'user' ? 'systemctl --user' : 'systemctl',
    execStart: said('ExecStart'),
    execReload: said('ExecReload'),
    stopSeconds: said('TimeoutStopSec'),
    user,
    group,
    capabilities,
    wantedBy: said('WantedBy'),
  };
  const today = fillTemplate(readTemplate('service'), { values, words, systemdVersion });
  return lineDiff(settings(body), settings(today)).filter((line) => /^[+-]/.test(line));
}

const settings = (text: string) =>
  `${text
    .split('\n')
    .filter((line) => /^[[A-Z]/.test(line))
    .join('\n')}\n`;
