/**
 * The first two lines of a unit that batond made: they tell people so, and hold what uninstall must know. A hash of the
 * rest tells whether somebody has changed it since; batond never overwrites or removes what is not as it left it.
 */
import { createHash } from 'node:crypto';

export interface Stamp {
  /** Folders that were not there before it was installed. */
  readonly folders: readonly string[];
  /** Whether the unit is as it was written. */
  readonly intact: boolean;
  /** The unit without its stamp. */
  readonly body: string;
}

const TITLE = '# Made by batond install.';
const PREFIX = '# batond-install: ';

export function stampUnit(body: string, folders: readonly string[]): string {
  return `${TITLE}\n${PREFIX}${JSON.stringify({ sha256: hash(body), folders })}\n${body}`;
}

/** Null for a unit that somebody else made. */
export function readStamp(text: string): Stamp | null {
  const [title, facts, ...rest] = text.split('\n');
  if (title !== TITLE || facts === undefined || !facts.startsWith(PREFIX)) return null;
  const body = rest.join('\n');
  try {
    const { sha256, folders } = JSON.parse(facts.slice(PREFIX.length)) as { sha256: unknown; folders: unknown };
    const known = Array.isArray(folders) ? folders.filter((folder) => typeof folder === 'string') : [];
    return { folders: known, intact: sha256 === hash(body), body };
  } catch {
    return { folders: [], intact: false, body };
  }
}

const hash = (body: string) => createHash('sha256').update(body).digest('hex');
