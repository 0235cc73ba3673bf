/** A log that somebody listens to: each record from info up, also where the level leaves it out of what is written. */
import { type DestinationStream, type LoggerOptions, pino } from 'pino';
import type { LogLevel } from './config/config.js';
import type { Log } from './log.js';

/** `level` is pino's number. */
export type Hear = (level: number, fields: Readonly<Record<string, unknown>>, message: string) => void;

export function tapped(
  { level, ...options }: LoggerOptions & { readonly level: LogLevel },
  destination: DestinationStream,
  hear: Hear,
): Log {
  let written = level;
  const { values } = pino.levels;
  const heard = () => (values[written]! < values.info! ? written : 'info');
  const log = pino(
    {
      ...options,
      level: heard(),
      hooks: {
        logMethod(args, method, number) {
          const [first, second] = args as readonly unknown[];
          const fields = typeof first === 'object' && first !== null ? (first as Record<string, unknown>) : {};
          // A child has a level of its own, below which it is silent, and fields that all its records have.
          const isChild = this !== log;
          const { name: _, ...bound } = isChild ? this.bindings() : {};
          hear(number, { ...bound, ...fields }, String(second ?? ''));
          if (isChild || number >= values[written]!) method.apply(this, args);
        },
      },
    },
    destination,
  );
  Object.defineProperty(log, 'level', {
    get: () => written,
    set: (next: LogLevel) => {
      written = next;
      Reflect.set(Object.getPrototypeOf(log), 'level', heard(), log);
    },
  });
  return log;
}
