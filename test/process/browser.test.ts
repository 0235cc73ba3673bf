/** A real browser keeps its WebSocket and its keep-alive connection over reloads, and does not know that there were any. */
import { expect, test } from 'vitest';
import { browserAvailable } from '../support/browser/available.mjs';
import { type Page, startBrowser } from '../support/browser/start-browser.js';
import { ROOT } from '../support/service/batond.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const available = browserAvailable();
const RELOADS = 10;

/** What the page shows; see ../fixtures/releases/serves-page.js. */
interface Shown {
  readonly opens: number;
  readonly closes: number;
  /** Echoes, each of which is compared with what was sent. */
  readonly frames: number;
  readonly wrong: readonly string[];
  readonly socketReleases: readonly string[];
  readonly answers: number;
  readonly failed: readonly string[];
  readonly answerReleases: readonly string[];
  /** The client's ports that requests came from: as many as there were connections. */
  readonly ports: readonly number[];
}

const shownBy = (page: Page) =>
  page.evaluate<Partial<Shown>>(
    `Object.fromEntries([...document.querySelectorAll('#seen dd')].map(({ id, textContent }) => [id, JSON.parse(textContent)]))`,
  );

test.skipIf(!available.ok)(
  `a browser notices nothing of ${RELOADS} reloads${available.ok ? '' : ` (skipped: ${available.why})`}`,
  async () => {
    const env = { BATOND: ROOT, KEEP_ALIVE_MS: '120000' };
    await using service = await HostedService.start({ app: 'serves-page', env });
    await using browser = await startBrowser();
    const page = await browser.open(`http://127.0.0.1:${service.port}/`);
    const releases: string[] = [];
    const untilSeen = (release: string) => {
      releases.push(release);
      return eventually(
        () => shownBy(page),
        ({ socketReleases, answerReleases }) =>
          socketReleases?.at(-1) === release && answerReleases?.at(-1) === release,
        { deadlineMs: 20_000, what: () => `the page is served by ${release}; log:\n${service.log}` },
      );
    };
    await untilSeen('r1');
    for (let n = 0; n < RELOADS; n++) {
      const release = service.deploy('serves-page');
      expect((await service.reload()).status, service.log).toBe(0);
      await untilSeen(release);
      await service.untilDrained();
    }
    const shown = await shownBy(page);
    console.log(JSON.stringify(shown));
    expect(shown, service.log).toMatchObject({
      opens: 1,
      closes: 0,
      wrong: [],
      failed: [],
      socketReleases: releases,
      answerReleases: releases,
      ports: [expect.any(Number)],
    });
    await service.expectNoLeftovers();
  },
  120_000,
);
