/**
 * What the commands print with --json, as types: the schemas of the OpenAPI document (`x-commands`) are made of them, and
 * a test runs each command and holds what it prints against them. A command that gets --json gets a row here. Types
 * alone; nothing of it is loaded.
 */
import type { HealthReport, HistoryRow, ReloadLine, ReportSummary, Status } from '../control/messages.js';
import type { ServiceEvent } from '../events/event.js';
import type { Crash, CrashSummary } from '../inventory/crash-files.js';
import type { Report } from '../inventory/report.js';
import type { Sealed } from '../release/seal.js';
import type { Verified } from '../release/verify.js';
import type { Uninstalled } from '../systemd/uninstall-units.js';
import type { CheckFacts } from './check.js';
import type { ServiceFinding } from './doctor.js';
import type { Installed } from './install.js';
import type { JournalEntry } from './logs.js';
import type { ProfileResult } from './profile.js';

/** One document, by the command line without "batond" and --json. */
export interface JsonDocuments {
  status: Status;
  health: HealthReport;
  report: Report;
  'report --list': readonly ReportSummary[];
  history: readonly HistoryRow[];
  crashes: readonly CrashSummary[];
  'crashes last': Crash;
  'profile cpu': ProfileResult;
  'profile heap': ProfileResult;
  'profile startup': ProfileResult;
  check: CheckFacts;
  doctor: readonly ServiceFinding[];
  seal: Sealed;
  'seal --check': Verified;
  install: Installed;
  uninstall: Uninstalled;
}

/** A document a line. */
export interface JsonLines {
  reload: ReloadLine;
  rollback: ReloadLine;
  events: ServiceEvent;
  logs: JournalEntry;
}
