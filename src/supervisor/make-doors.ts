/** The doors of this supervisor: what answers behind admin.listen and admin.agent, loaded where they are. */
import type { HealthSource } from '../admin/routes.js';
import type { Status } from '../control/messages.js';
import type { ReportFiles } from '../inventory/report-files.js';
import { Admin } from './admin.js';
import type { Answers } from './answers.js';
import { Doors } from './doors.js';
import type { Reporter } from './reporter.js';
import type { Situation } from './situation.js';

export interface DoorsHost {
  readonly reports: ReportFiles;
  readonly reporter: () => Reporter;
  readonly answers: () => Answers;
  health(): HealthSource;
  status(): Promise<Status>;
  /** A socket is another one. */
  changed(): void;
}

export function makeDoors(situation: Situation, host: DoorsHost): Doors {
  const { log } = situation.options;
  const changed = () => host.changed();
  const admin = new Admin({
    kind: 'admin',
    get listen() {
      return situation.config.admin?.listen ?? null;
    },
    log,
    server: async () => {
      const { AdminServer } = await import('../admin/server.js');
      const { healthRoutes } = await import('../admin/routes.js');
      if (situation.config.admin?.dashboard === false) return new AdminServer(healthRoutes(host.health()));
      const { dashboardRoutes } = await import('../admin/dashboard-routes.js');
      const dashboard = dashboardRoutes({
        status: () => host.status(),
        numbers: () => host.reports.numbers(),
        report: (number) => host.reports.read(number),
        get open() {
          return host.reporter().open;
        },
      });
      return new AdminServer(new Map([...healthRoutes(host.health()), ...dashboard]));
    },
    changed,
  });
  const agent = new Admin({
    kind: 'agent',
    get listen() {
      return situation.config.admin?.agent ?? null;
    },
    log,
    server: async () => {
      const { AgentServer, agentLine } = await import('../admin/agent.js');
      return new AgentServer(() => agentLine(host.answers().weight, host.answers().downBecause));
    },
    changed,
  });
  return new Doors(admin, agent);
}
