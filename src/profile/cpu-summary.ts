/**
 * What a CPU profile says, in a few lines: where time goes, by function, by package, by module. Pure.
 *
 * Self time is what a function spends itself; total is with all that it calls, and counts once however often it calls
 * itself. What the engine does without a file (a call into C++) is the time of whoever called it.
 */
import { type CpuProfile, type ProfileNode, sampleTimes } from './cpu-profile.js';
import { fileOf, isModule, NODE, ownerOf, placeOf } from './place.js';

/** So many of each are told. */
const TOP = 20;

export interface FunctionTime {
  /** "(anonymous)" where it has none. */
  readonly name: string;
  /** "/srv/shop/server.js:12"; null for what the engine does. */
  readonly place: string | null;
  /** "app", "node", "batond", "node_modules/x". */
  readonly owner: string;
  readonly selfMs: number;
  readonly totalMs: number;
}

export interface OwnerTime {
  /** As above, and "(garbage collector)", "(idle)", "(program)". */
  readonly owner: string;
  readonly selfMs: number;
}

/** The evaluation of one module. */
export interface ModuleTime {
  readonly file: string;
  readonly owner: string;
  /** Without the modules that it loads. */
  readonly ownMs: number;
  /** With them. */
  readonly totalMs: number;
}

export interface CpuSummary {
  readonly durationMs: number;
  readonly samples: number;
  /** By self time. */
  readonly bySelf: readonly FunctionTime[];
  /** By total time; without what is Node's own, since that is in everything. */
  readonly byTotal: readonly FunctionTime[];
  readonly byOwner: readonly OwnerTime[];
  /** Evaluated while it lasted, by total time. */
  readonly modules: readonly ModuleTime[];
}

interface Tally {
  readonly name: string;
  readonly place: string | null;
  readonly owner: string;
  selfMs: number;
  totalMs: number;
}

interface ModuleTally {
  readonly file: string;
  readonly owner: string;
  ownMs: number;
  totalMs: number;
}

/** `(root)`, `(idle)`, `(program)`, `(garbage collector)`: what V8 calls what is no function. */
const isMeta = ({ callFrame: { functionName, url } }: ProfileNode) => url === '' && /^\(.*\)$/.test(functionName);

/** `ownFolder` is where batond is, so that its part is told apart. */
export function summarizeCpu(profile: CpuProfile, ownFolder: string): CpuSummary {
  const selfMs = new Map<number, number>();
  const times = sampleTimes(profile);
  for (const [i, id] of profile.samples.entries()) selfMs.set(id, (selfMs.get(id) ?? 0) + (times[i] as number));
  const functions = new Map<string, Tally>();
  const owners = new Map<string, number>();
  const modules = new Map<string, ModuleTally>();
  for (const { node, key, ownMs, allMs, owner, isOutermost, module, beginsModule } of walk(
    profile,
    selfMs,
    ownFolder,
  )) {
    owners.set(owner, (owners.get(owner) ?? 0) + ownMs);
    if (module !== null) {
      const file = fileOf(module);
      const tally = entry(modules, file, () => ({ file, owner: ownerOf(module, ownFolder)!, ownMs: 0, totalMs: 0 }));
      tally.ownMs += ownMs;
      if (beginsModule && isOutermost) tally.totalMs += allMs;
    }
    if (isMeta(node)) continue;
    const { functionName } = node.callFrame;
    const tally = entry(functions, key, () => ({
      name: functionName === '' ? '(anonymous)' : functionName,
      place: placeOf(node.callFrame),
      owner,
      selfMs: 0,
      totalMs: 0,
    }));
    tally.selfMs += ownMs;
    if (isOutermost) tally.totalMs += allMs;
  }
  const told = [...functions.values()].map((one) => ({
    ...one,
    selfMs: round(one.selfMs),
    totalMs: round(one.totalMs),
  }));
  return {
    durationMs: round((profile.endTime - profile.startTime) / 1_000),
    samples: profile.samples.length,
    bySelf: top(told, (one) => one.selfMs),
    byTotal: top(
      told.filter(({ owner }) => owner !== NODE),
      (one) => one.totalMs,
    ),
    byOwner: top(
      [...owners].map(([owner, ms]) => ({ owner, selfMs: round(ms) })),
      (one) => one.selfMs,
    ),
    modules: top(
      [...modules.values()].map((one) => ({ ...one, ownMs: round(one.ownMs), totalMs: round(one.totalMs) })),
      (one) => one.totalMs,
    ),
  };
}

interface Visit {
  readonly node: ProfileNode;
  readonly key: string;
  /** Of the one that calls it among all, -1 for none. */
  readonly parent: number;
  readonly ownMs: number;
  /** With all below. */
  allMs: number;
  readonly owner: string;
  /** No frame above is of the same function. */
  readonly isOutermost: boolean;
  /** The URL of the module whose evaluation it belongs to, and whether that begins with it. */
  readonly module: string | null;
  readonly beginsModule: boolean;
}

/** Every node with what those above say of it. Without recursion: a stack may be as deep as V8 allows. */
function walk(profile: CpuProfile, selfMs: ReadonlyMap<number, number>, ownFolder: string): Visit[] {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const visits: Visit[] = [];
  const steps = profile.nodes.slice(0, 1).map((node) => ({ node, parent: -1 }));
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    const { node, parent } = step;
    const above = visits[parent];
    const key = keyOf(node);
    const ownMs = selfMs.get(node.id) ?? 0;
    visits.push({
      node,
      key,
      parent,
      ownMs,
      allMs: ownMs,
      owner: ownerOfNode(node, above, ownFolder),
      isOutermost: !isBelow(visits, parent, key),
      module: isModule(node.callFrame) ? node.callFrame.url : (above?.module ?? null),
      beginsModule: isModule(node.callFrame),
    });
    const at = visits.length - 1;
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      // A node has one parent: what came again would never end.
      byId.delete(id);
      if (child !== undefined) steps.push({ node: child, parent: at });
    }
  }
  for (const { parent, allMs } of [...visits].reverse()) if (parent >= 0) visits[parent]!.allMs += allMs;
  return visits;
}

function ownerOfNode(node: ProfileNode, above: Visit | undefined, ownFolder: string): string {
  if (isMeta(node)) return node.callFrame.functionName;
  const own = ownerOf(node.callFrame.url, ownFolder);
  if (own !== null) return own;
  return above === undefined || isMeta(above.node) ? NODE : above.owner;
}

function isBelow(visits: readonly Visit[], from: number, key: string): boolean {
  for (let at = from; at >= 0; at = visits[at]!.parent) if (visits[at]!.key === key) return true;
  return false;
}

function keyOf({ callFrame: { functionName, url, lineNumber, columnNumber } }: ProfileNode): string {
  return `${functionName}\n${url}\n${lineNumber}\n${columnNumber}`;
}

function entry<T>(all: Map<string, T>, key: string, make: () => T): T {
  const found = all.get(key) ?? make();
  all.set(key, found);
  return found;
}

function top<T>(all: readonly T[], by: (one: T) => number): T[] {
  return all
    .filter((one) => by(one) > 0)
    .sort((a, b) => by(b) - by(a))
    .slice(0, TOP);
}

const round = (ms: number) => Math.round(ms * 100) / 100;
