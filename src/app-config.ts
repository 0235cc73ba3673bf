/** Settings of an app that change while it runs. What reads and watches is loaded when it is asked for. */
import type { Settings, WatchOptions } from './settings/settings.js';
import type { OutputOf, StandardSchema } from './settings/standard-schema.js';

/**
 * Reads a file of settings, and again whenever it changes: `settings.current` is frozen and always whole. A file that is
 * refused leaves the last good ones. JSON, TOML where the name ends so, or what `options.parse` makes of it; checked by
 * any schema of Standard Schema v1 (zod, valibot, arktype). Keeps no process alive. Also where batond is not.
 *
 * Rejects with SETTINGS_UNREADABLE or SETTINGS_INVALID where there are no good ones to begin with.
 */
export async function watch<Schema extends StandardSchema>(
  file: string | URL,
  schema: Schema,
  options: WatchOptions = {},
): Promise<Settings<OutputOf<Schema>>> {
  if (typeof schema?.['~standard']?.validate !== 'function') {
    throw new TypeError('config.watch takes a schema of Standard Schema v1, as those of zod, valibot and arktype are');
  }
  const { watchSettings } = await import('./settings/settings.js');
  return watchSettings(file, schema, options);
}
