/** The routes of the pages of admin.listen. What makes them is loaded by the first request for one. */
import type { Dashboard, DashboardSource } from './dashboard.js';
import type { Route, Routes } from './routes.js';

export function dashboardRoutes(source: DashboardSource): Routes {
  let loaded: Promise<Dashboard> | null = null;
  const route =
    (of: (dashboard: Dashboard) => Route): Route =>
    async (query, accept) => {
      loaded ??= import('./dashboard.js').then(({ Dashboard }) => new Dashboard(source));
      return of(await loaded)(query, accept);
    };
  return new Map([
    ['/', route((dashboard) => dashboard.now)],
    ['/reload', route((dashboard) => dashboard.reload)],
  ]);
}
