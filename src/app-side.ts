/** How the library finds the worker that it runs in; `undefined` outside batond. */
import { APP_SIDE, type AppSide } from './worker/app-side.js';

export function appSide(): AppSide | undefined {
  return (globalThis as { [APP_SIDE]?: AppSide })[APP_SIDE];
}
