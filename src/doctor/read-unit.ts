/** The facts of a unit, for unit.ts; null where no systemd knows such a unit. */
import { statSync } from 'node:fs';
import type { Status } from '../control/messages.js';
import { catalogState } from '../systemd/catalog.js';
import { ownUnits } from '../systemd/installed-units.js';
import { showUnit, systemdVersion } from '../systemd/systemctl.js';
import type { Scope } from '../systemd/unit-files.js';
import type { UnitFacts } from './unit.js';
import { unitDrift } from './unit-drift.js';

const PROPERTIES = [
  'LoadState',
  'ActiveState',
  'ActiveEnterTimestamp',
  'FragmentPath',
  'DropInPaths',
  'NeedDaemonReload',
  'Type',
  'NotifyAccess',
  'KillMode',
  'Restart',
  'RuntimeDirectoryPreserve',
  'StartLimitIntervalUSec',
  'FileDescriptorStoreMax',
  'NFileDescriptorStore',
  'TasksMax',
  'TasksCurrent',
];

export function readUnit(name: string, status: Status | null): UnitFacts | null {
  if (status !== null && status.managedBy === null) return null;
  const scopes: readonly Scope[] = status?.managedBy != null ? [status.managedBy.scope] : ['system', 'user'];
  const unit = status?.managedBy?.unit ?? `${name}.service`;
  for (const scope of scopes) {
    const properties = showUnit(scope, unit, PROPERTIES);
    if (properties?.LoadState === 'loaded') return factsOf(name, unit, scope, properties, status);
  }
  return null;
}

function factsOf(
  name: string,
  unit: string,
  scope: Scope,
  properties: Record<string, string>,
  status: Status | null,
): UnitFacts {
  const own = ownUnits(scope, name).find((one) => one.unit === unit && one.path === properties.FragmentPath);
  const drift = own === undefined ? [] : unitDrift(own.body, { name, scope, systemdVersion: systemdVersion() });
  const files = [properties.FragmentPath ?? '', ...(properties.DropInPaths ?? '').split(' ')];
  const changes = files.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return {
    unit,
    scope,
    made: own === undefined ? null : { intact: own.intact, drift },
    catalog: own === undefined || scope === 'user' ? null : catalogState(),
    properties,
    changedAt: Math.max(0, ...changes) || null,
    size: status === null ? null : sizeOf(status),
  };
}

const sizeOf = ({ generations, listeners }: Status) => ({
  workers: Math.max(0, ...generations.map(({ workers }) => workers.length)),
  listeners: listeners.length,
});
