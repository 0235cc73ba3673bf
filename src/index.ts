/**
 * What an app may import from 'batond'. Nothing is needed for a reload without loss; everything is a no-op where the app
 * does not run under batond, so it can stay in the code for good. WebSockets: see 'batond/ws'.
 */
import { watch } from './app-config.js';
import { appSide } from './app-side.js';
import { gauge, register } from './checks.js';
import { kind } from './connections.js';
import { responses } from './responses.js';
import { restore, save } from './state.js';
import type { Leaving } from './worker/app-side.js';

export type { CheckStatus, Fact } from './channel/checks.js';
export type { Check, CheckOptions, CheckReport, Unregister } from './checks.js';
export type { Handover, Kind, KindDefinition } from './connections.js';
export type { ResponsesDefinition } from './responses.js';
export type { Settings, SettingsIssue, SettingsProblem, WatchOptions } from './settings/settings.js';
export type { Frozen, OutputOf, StandardSchema } from './settings/standard-schema.js';
export type { RestoreOptions, SaveOptions } from './state.js';
export type { Leaving, StateOrigin } from './worker/app-side.js';

/** Says that the app can serve, where its configuration has `ready = "notify"`. Saying it again changes nothing. */
export function ready(): void {
  appSide()?.ready();
}

/**
 * Calls the listener when another generation has taken over: no new connection comes, requests in flight go on. The
 * place to end what lasts long by itself, like a queue's consumer; `leaving.timeoutMs` later SIGTERM comes, unless all
 * connections have gone before. Where it is so already, the listener is called soon.
 */
export function onDrain(listener: (leaving: Leaving) => void): void {
  appSide()?.onDrain(listener);
}

/** Connections that a reload may hand to the next generation, open. */
export const connections = { kind, responses } as const;

/** What this process knows and the next generation of it goes on with. */
export const state = { save, restore } as const;

/** Settings that change while the app runs. */
export const config = { watch } as const;

/** How well this process is, as it sees it, and how much it holds. */
export const health = { register, gauge } as const;
