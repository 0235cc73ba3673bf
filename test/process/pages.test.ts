/** The pages of a service in a real browser: what they show is what JSON says, and they ask for nothing but themselves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import type { Report } from '../../src/inventory/report.js';
import { browserAvailable } from '../support/browser/available.mjs';
import { startBrowser, type WatchedPage } from '../support/browser/start-browser.js';
import { expectNothingLost } from '../support/service/expectations.js';
import { freePort } from '../support/service/free-port.js';
import { HostedService } from '../support/service/hosted.js';
import { eventually } from '../support/service/wait.js';

const available = browserAvailable();

/** What stands beside its name: of a number among many, and of a bar. */
const shown = (page: WatchedPage) =>
  page.evaluate<Record<string, string>>(`Object.fromEntries([
    ...[...document.querySelectorAll('.facts div')].map((one) => [one.querySelector('dt').textContent, one.querySelector('[data-value]')?.dataset.value]),
    ...[...document.querySelectorAll('.timeline li')].map((one) => [one.querySelector('.label').textContent, one.querySelector('.ms').dataset.value]),
  ])`);

/** Of the table behind a chart, by the name of the column. */
const column = (page: WatchedPage, chart: string, name: string) =>
  page.evaluate<(number | null)[]>(`(() => {
    const table = [...document.querySelectorAll('table')].find((one) => one.caption?.textContent === ${JSON.stringify(chart)});
    const at = [...table.tHead.rows[0].cells].findIndex((one) => one.textContent === ${JSON.stringify(name)});
    return [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.value ?? null).map((value) => value === null ? null : Number(value));
  })()`);

const wellFormed = (page: WatchedPage, text: string) =>
  page.evaluate<string>(
    `new DOMParser().parseFromString(${JSON.stringify(text)}, 'application/xml').querySelector('parsererror')?.textContent ?? ''`,
  );

test.skipIf(!available.ok)(
  `pages have the numbers that JSON has, and outlive a reload${available.ok ? '' : ` (skipped: ${available.why})`}`,
  async () => {
    const admin = await freePort();
    const toml = `[upgrade]\nsoak = "1s"\n[admin]\nlisten = "${admin}"`;
    await using service = await HostedService.start({ toml });
    await using browser = await startBrowser();
    const load = await service.load({
      modes: { fresh: { perSecond: 40 }, keepAlive: { connections: 4, gapMs: [10, 30] } },
    });
    const dashboard = await browser.watch(`http://127.0.0.1:${admin}/`);
    const main = (page: WatchedPage) => page.evaluate<string>(`document.querySelector('main').textContent`);
    expect(await main(dashboard)).toContain('Generation 1');
    service.deploy('answers');
    expect((await service.reload()).status, service.log).toBe(0);
    await service.untilDrained();
    await eventually(
      () => main(dashboard),
      (text) => /Generation 2 \(r2.*serves[\s\S]*Reloads[\s\S]*1 → 2done/.test(text),
      {
        what: () => `the dashboard has seen the reload pass; log:\n${service.log}`,
      },
    );
    expectNothingLost(await load.stop(), service.log);
    const report = JSON.parse((await service.batond('report', '--json')).stdout) as Report;
    const status = await service.status();
    const ofNow = await browser.watch(`http://127.0.0.1:${admin}/`, { javaScript: false, width: 400, dark: true });
    expect(await shown(ofNow)).toMatchObject({
      'workers that accept': `${status.generations[0]!.workers.length}`,
      weight: '100',
    });
    const { moved } = report.drains[0]!;
    for (const page of [dashboard, ofNow]) {
      expect(
        await page.evaluate(`document.querySelector('[href="reload?number=1"]').closest('tr').cells[6].textContent`),
      ).toBe(`${moved}`);
      expect(page.complaints).toEqual([]);
      expect(page.requests.filter((url) => url !== `http://127.0.0.1:${admin}/`)).toEqual([]);
    }
    const linked = await browser.watch(`http://127.0.0.1:${admin}/reload?number=1`);
    expect(await shown(linked)).toMatchObject({
      'connections moved': `${moved}`,
      'drain of 1': `${report.drains[0]!.ms}`,
    });
    expect(linked.complaints).toEqual([]);

    const file = join(service.folder, 'page.html');
    expect(await service.batond('report', '--html', '--output', file)).toMatchObject({ status: 0, stdout: '' });
    const text = readFileSync(file, 'utf8');
    expect((await service.batond('report', '1', '--html')).stdout).toBe(text);

    const [before, after] = report.series!.generations;
    expect(report.series!.generations.map(({ generation }) => generation)).toEqual([1, 2]);
    // The predecessor began to look, and its successor went on.
    expect(before!.atMs[0]).toBeLessThan(report.phases[0]!.ms);
    expect(before!.atMs.at(-1)).toBeGreaterThan(1_000);
    expect(before!.requests.at(-1)! - before!.requests[0]!).toBeGreaterThan(0);
    expect(after!.requests.at(-1)).toBeGreaterThan(0);

    for (const javaScript of [true, false]) {
      const page = await browser.watch(pathToFileURL(file).href, { javaScript, width: 400, dark: !javaScript });
      const { finished, told } = report.drains[0]!;
      expect(await shown(page)).toMatchObject({
        'connections moved': `${moved}`,
        finished: `${finished}`,
        'told to go': `${told}`,
        cut: '0',
        'descriptors, at most': `${report.peak.fds}`,
        'drain of 1': `${report.drains[0]!.ms}`,
        ...Object.fromEntries(report.phases.map(({ phase, ms }) => [phase, `${ms}`])),
      });
      const memory = await column(page, 'Memory of all workers', 'generation 2');
      expect(memory.filter((value) => value !== null)).toEqual(after!.rssBytes);
      const p99 = await column(page, 'Latency: p99, and p50 dashed', 'p99 generation 1');
      expect(p99.filter((value) => value !== null)).toEqual(before!.p99Ms.filter((value) => value !== null));
      expect(page.requests).toEqual([pathToFileURL(file).href]);
      expect(page.complaints).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(400);
      expect(await wellFormed(page, text)).toBe('');
    }
    const now = await (await fetch(`http://127.0.0.1:${admin}/`)).text();
    expect(await wellFormed(ofNow, now)).toBe('');
    await service.expectNoLeftovers();
  },
);
