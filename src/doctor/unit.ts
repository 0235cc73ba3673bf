/** What batond needs of its unit, and what became of it since it was installed: judges over facts of read-unit.ts. */
import type { CatalogState } from '../systemd/catalog.js';
import type { Scope } from '../systemd/unit-files.js';
import { about, type Finding } from './finding.js';

export interface UnitFacts {
  /** "shop.service" */
  readonly unit: string;
  readonly scope: Scope;
  /** What batond knows of a unit that it made; null for somebody else's. */
  readonly made: {
    /** Nobody changed it since. */
    readonly intact: boolean;
    /** Settings that an install of today would write otherwise, as lines with "+" and "-" before them. */
    readonly drift: readonly string[];
  } | null;
  /** What `journalctl -x` knows of our entries; null where batond has not installed it, or not for the system. */
  readonly catalog: CatalogState | null;
  /** As systemctl shows them. */
  readonly properties: Readonly<Record<string, string>>;
  /** When the newest of its files was changed, in milliseconds since the epoch; null where none can be read. */
  readonly changedAt: number | null;
  /** Workers that the service has, and listeners; null while nobody can tell. */
  readonly size: { readonly workers: number; readonly listeners: number } | null;
}

export function judgeUnit(facts: UnitFacts): Finding[] {
  return [
    judgeFile(facts),
    ...(facts.catalog === null ? [] : [judgeCatalog(facts.catalog)]),
    judgeLoaded(facts),
    judgeSettings(facts),
    judgeStore(facts),
    judgeTasks(facts),
  ];
}

export function judgeFile({ unit, made }: UnitFacts): Finding {
  const { ok, warn } = about('unit file');
  if (made === null) return ok(`${unit} was not made by batond install: only its settings are looked at`);
  if (!made.intact) {
    return warn(
      `${unit} was edited since batond install wrote it`,
      `Move the changes to a drop-in: systemctl edit ${unit}.`,
    );
  }
  const count = made.drift.length;
  if (count === 0) return ok(`${unit} is as this batond would write it`);
  return warn(
    `${unit} is of an older batond: ${made.drift.slice(0, 3).join(', ')}${count > 3 ? ` and ${count - 3} more` : ''}`,
    'Run batond install again, as it was run then.',
  );
}

export function judgeCatalog(catalog: CatalogState): Finding {
  const { ok, warn } = about('catalog');
  if (catalog === 'same') return ok('journalctl -x explains what batond says');
  const what = catalog === 'missing' ? 'is not there' : 'is of another batond';
  return warn(`${what}: journalctl -x does not explain what this one says`, 'Run batond install again.');
}

/** systemd may know an older text than the disk has, and the supervisor may have been started with an older one. */
export function judgeLoaded({ unit, scope, properties, changedAt }: UnitFacts): Finding {
  const { ok, warn } = about('unit loaded');
  const systemctl = scope === 'user' ? 'systemctl --user' : 'systemctl';
  if (properties.NeedDaemonReload === 'yes') {
    return warn(
      `${unit} was changed, and systemd has not read it`,
      `Run ${systemctl} daemon-reload, then ${systemctl} restart ${unit}.`,
    );
  }
  const since = /^@(\d+)$/.exec(properties.ActiveEnterTimestamp ?? '')?.[1];
  // Whole seconds are all that systemd tells.
  if (properties.ActiveState === 'active' && since !== undefined && (changedAt ?? 0) >= (Number(since) + 1) * 1_000) {
    return warn(
      `${unit} was changed after its supervisor was started, which runs in the sandbox of before`,
      `Run ${systemctl} restart ${unit}: it loses nothing.`,
    );
  }
  return ok(`systemd and the supervisor know ${unit} as it stands`);
}

/** What must be so, and what happens where it is not. */
const NEEDED: readonly {
  readonly property: string;
  readonly of: readonly string[];
  readonly write: string;
  readonly otherwise: string;
}[] = [
  { property: 'Type', of: ['notify'], write: 'Type=notify', otherwise: 'systemd does not hear when it serves' },
  {
    property: 'NotifyAccess',
    of: ['main'],
    write: 'NotifyAccess=main',
    otherwise: 'others than the supervisor are heard',
  },
  { property: 'KillMode', of: ['process'], write: 'KillMode=process', otherwise: 'workers end with their supervisor' },
  {
    property: 'Restart',
    of: ['always', 'on-failure', 'on-abnormal'],
    write: 'Restart=always',
    otherwise: 'a supervisor that ended stays away',
  },
  {
    property: 'RuntimeDirectoryPreserve',
    of: ['restart', 'yes'],
    write: 'RuntimeDirectoryPreserve=restart',
    otherwise: 'what lives is forgotten when the supervisor dies',
  },
  {
    property: 'StartLimitIntervalUSec',
    of: ['0'],
    write: 'StartLimitIntervalSec=0 in [Unit]',
    otherwise: 'at its limit of starts the service ends with all that serves',
  },
];

export function judgeSettings({ unit, properties }: UnitFacts): Finding {
  const { ok, fail } = about('unit settings');
  const wrong = NEEDED.find(({ property, of }) => {
    const found = properties[property];
    return found !== undefined && !of.includes(found);
  });
  if (wrong === undefined) return ok('are what batond needs');
  const { property, write, otherwise } = wrong;
  return fail(
    `${property} is ${properties[property]}: ${otherwise}`,
    `Write ${write} into a drop-in (systemctl edit ${unit}).`,
  );
}

/** Sockets of batond itself: control, the host's or client's, secrets. */
const STORED_BESIDE = 8;

export function judgeStore({ unit, properties, size }: UnitFacts): Finding {
  const { ok, warn, fail } = about('fd store');
  const max = Number(properties.FileDescriptorStoreMax ?? Number.NaN);
  if (!Number.isInteger(max)) return ok('systemd says nothing of FileDescriptorStoreMax=');
  const todo = (wanted: number) => `Write FileDescriptorStoreMax=${wanted} into a drop-in (systemctl edit ${unit}).`;
  if (max === 0) return fail('keeps nothing: a supervisor that dies takes its service along', todo(512));
  if (size === null) return ok(`may keep ${max} descriptors`);
  // A pidfd and a channel each, of the old generation too.
  const need = size.workers * 2 * 2 + size.listeners + STORED_BESIDE;
  const kept = Number(properties.NFileDescriptorStore ?? 0);
  if (need > max) {
    return warn(`may keep ${max} descriptors, a reload of ${size.workers} workers needs about ${need}`, todo(need * 2));
  }
  return ok(`keeps ${kept} descriptors of at most ${max}, a reload needs about ${need}`);
}

export function judgeTasks({ unit, properties }: UnitFacts): Finding {
  const { ok, warn } = about('tasks');
  const [max, current] = [Number(properties.TasksMax), Number(properties.TasksCurrent)];
  if (!Number.isInteger(max) || !Number.isInteger(current)) return ok('have no limit, or nobody counts them');
  // While a reload goes on both generations run.
  if (current * 2 <= max) return ok(`${current} processes and threads of at most ${max}`);
  return warn(
    `${current} processes and threads of at most ${max}: there is no room for a second generation`,
    `Write TasksMax=${current * 4} into a drop-in (systemctl edit ${unit}).`,
  );
}
