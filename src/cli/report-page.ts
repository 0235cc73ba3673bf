/** `batond report --html`: where the page of a reload goes. */
import { writeFileSync } from 'node:fs';
import { BatondError } from '../errors.js';
import type { Report } from '../inventory/report.js';
import { reportPage } from '../page/report-page.js';
import { VERSION } from '../version.js';
import { print } from './print.js';

/** Null is standard output. Throws NOT_WRITABLE, and REQUEST_INVALID where a terminal would get it. */
export function writePage(report: Report, name: string, output: string | null): void {
  if (output === null && process.stdout.isTTY === true) {
    throw new BatondError('REQUEST_INVALID', {
      problem: 'a terminal cannot show a page: say --output FILE, or pipe it',
    });
  }
  const page = reportPage(report, name, VERSION);
  if (output === null) {
    print(page);
    return;
  }
  try {
    writeFileSync(output, page);
  } catch (error) {
    throw new BatondError('NOT_WRITABLE', { path: output, reason: (error as Error).message }, error);
  }
}
