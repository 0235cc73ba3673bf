/** Looks at the machine and at services, and says what it found. It changes nothing, and needs no service to run. */
import type { Finding } from './finding.js';
import { judgeMachine } from './machine.js';
import { judgePlaces } from './places.js';
import { readMachine } from './read-machine.js';
import { readPlaces } from './read-places.js';
import { askService, serviceFacts } from './read-service.js';
import { readUnit } from './read-unit.js';
import { judgeService } from './service.js';
import { judgeUnit } from './unit.js';

export interface Examination {
  /** Null is the machine. */
  readonly service: string | null;
  readonly findings: readonly Finding[];
}

export async function examine(services: readonly string[]): Promise<Examination[]> {
  const machine = { service: null, findings: judgeMachine(readMachine()) };
  const examined: Examination[] = [];
  for (const service of services) examined.push({ service, findings: await examineService(service) });
  return [machine, ...examined];
}

async function examineService(name: string): Promise<Finding[]> {
  const asked = await askService(name);
  const unit = readUnit(name, asked.status);
  return [
    ...judgeService(serviceFacts(name, asked, unit)),
    ...(unit === null ? [] : judgeUnit(unit)),
    ...judgePlaces(await readPlaces(name, asked.status, unit)),
  ];
}
