/** log.workers = "json": what workers say comes out once and whole, whoever reads it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const TOML = '[log]\nworkers = "json"\n';
const LINES = process.env.BATOND_LONG === undefined ? 100_000 : 1_000_000;

/** Of a line as it comes out, without what is long. */
const LEAST_BYTES = 120;

/** How often each line of each worker came, by its number. */
function tally(log: string): Map<number, Map<number, number>> {
  const counts = new Map<number, Map<number, number>>();
  let ofOthers = 0;
  for (const line of log.split('\n')) {
    if (!line.includes('line ')) continue;
    const { msg, batond } = JSON.parse(line) as { msg: string; batond?: { pid: number } };
    const [, pid, n, text] = /^line (\d+) (\d+) (short|(?:long){5000})$/.exec(msg) ?? [];
    if (text === undefined) continue;
    if (batond?.pid !== Number(pid)) ofOthers++;
    const own = counts.get(Number(pid)) ?? new Map<number, number>();
    counts.set(Number(pid), own.set(Number(n), (own.get(Number(n)) ?? 0) + 1));
  }
  expect(ofOthers).toBe(0);
  return counts;
}

describe('the lines of workers', () => {
  test(`are all there, once, through three reloads; the death of a supervisor repeats one at most`, async () => {
    const counts = mkdtempSync(join(tmpdir(), 'batond-counts-'));
    try {
      await using service = await HostedService.start({ app: 'writes-lines', toml: TOML, env: { COUNTS: counts } });
      for (let n = 0; n < 3; n++) {
        expect((await service.reload()).verdict, service.log.slice(-5_000)).toMatchObject({ ok: true });
        if (n === 1) await service.killSupervisor();
      }
      // Counting them while they come would cost more than reading them.
      const bytes = () => service.log.length;
      await eventually(bytes, (read) => read > LINES * LEAST_BYTES, {
        deadlineMs: 60_000,
        what: () => `${LINES} lines`,
      });
      expect(await service.stop()).toBe(0);

      const written = readdirSync(counts).map((pid) => [Number(pid), Number(readFileSync(join(counts, pid)))] as const);
      expect(written).toHaveLength(8);
      const came = tally(service.log);
      let repeated = 0;
      for (const [pid, count] of written) {
        const lines = came.get(pid)!;
        const missing = Array.from({ length: count }, (_, n) => n).filter((n) => !lines.has(n));
        expect(missing.slice(0, 20), `of the ${count} lines of ${pid}`).toEqual([]);
        expect(lines.size).toBe(count);
        repeated += [...lines.values()].reduce((sum, times) => sum + times - 1, 0);
      }
      expect(repeated).toBeLessThanOrEqual(1);
      expect([...service.log.matchAll(/the last line has no end/g)]).toHaveLength(8);
    } finally {
      rmSync(counts, { recursive: true });
    }
  }, 120_000);
});
