/** What the manual tells of batond beside its commands: variables, files and signals. A test compares it with the code. */
import { pathsOf, temporaryRoot } from '../control/paths.js';

type Row = readonly [term: string, about: string];

const { runtimeDirectory, stateDirectory, ...inside } = pathsOf('NAME', {}, 0);

export const ENVIRONMENT: readonly Row[] = [
  ['NO_COLOR', 'When it is not empty, nothing is coloured.'],
  ['TERM', '"dumb" is a terminal without colours.'],
  ['PATH', 'Where a runtime, a command and a hook are looked for that are named without a slash.'],
  ['PWD', 'The working directory as it was written: a symlink in it is followed anew at each reload.'],
  [
    'XDG_RUNTIME_DIR',
    `Where services of a user other than root have their runtime directory, ${temporaryRoot(1000)} without it.`,
  ],
  ['XDG_STATE_HOME', 'Where they have their state directory, ~/.local/state without it.'],
  ['XDG_CONFIG_HOME', 'Where units of a user are installed, ~/.config without it.'],
  ['XDG_CACHE_HOME', 'Where systemd keeps the caches of such units, ~/.cache without it.'],
  ['USER', 'Whether lingering is on for this user, which batond install mentions.'],
  ['RUNTIME_DIRECTORY', 'The runtime directory itself, as systemd sets it; also where to look for a service.'],
  ['STATE_DIRECTORY', 'The state directory itself, as systemd sets it.'],
  ['CACHE_DIRECTORY', 'Where Node keeps what it has compiled, as systemd sets it.'],
  ['NOTIFY_SOCKET', 'Set by systemd, or by the host: batond run is then the supervisor itself.'],
  ['WATCHDOG_USEC', 'How often a sign of life is due, in microseconds; outside systemd for the host, 30 s without it.'],
  ['LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID, FDSTORE', 'Sockets and stored descriptors, as systemd passes them.'],
  ['JOURNAL_STREAM', 'Whether standard output is the journal, as systemd sets it.'],
  [
    'OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    'Where the supervisor sends each reload as a trace, OTLP over HTTP as JSON; what else the SDK of OpenTelemetry knows (OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME and the like) is left to it.',
  ],
  ['OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER', '"true", and "none": it sends none.'],
  [
    'TRACEPARENT',
    'The trace of a pipeline, in the words of W3C Trace Context, which batond reload and rollback go on with.',
  ],
  ['MAINPID', 'The supervisor that ExecReload= of a unit speaks to, as systemd sets it.'],
  [
    'BATOND_NAME, BATOND_HOOK, BATOND_KIND, BATOND_GENERATION, BATOND_RELEASE, BATOND_DIRECTORY, BATOND_FROM_..., BATOND_CODE, BATOND_MESSAGE',
    'What hooks are told. Every other variable that begins with BATOND_ is between the processes of batond.',
  ],
];

const FILE_WORDS: Readonly<Record<keyof typeof inside, string>> = {
  controlSocket: 'The control socket: HTTP, for batond itself and for curl --unix-socket.',
  liveFile: 'What the next supervisor reads after one that died; there while the service runs.',
  eventsFile: 'What has happened, of batond events; there while the service runs.',
  stateFile: 'The releases that were committed, and the last verdict.',
  lastGoodFile: 'The configuration and the release that were committed last.',
  historyFile: 'Which releases were run and tried.',
};

export const FILES: readonly Row[] = [
  ['batond.toml', 'The configuration, in the working directory where --config names no other; see batond.toml(5).'],
  ['/etc/systemd/system/NAME.service, NAME.socket', 'Units, as batond install writes them.'],
  ['~/.config/systemd/user/NAME.service, NAME.socket', 'The same of a user, with --user-unit.'],
  ['/usr/local/lib/systemd/catalog/batond.catalog', 'What journalctl -x says of the entries of batond.'],
  [
    runtimeDirectory,
    `The runtime directory. Of a user other than root it is in $XDG_RUNTIME_DIR/batond, or in ${temporaryRoot(1000)} where 1000 is the uid.`,
  ],
  [stateDirectory, 'The state directory; of a user other than root it is in ~/.local/state/batond.'],
  [`${stateDirectory}/diagnostics/`, 'What a service that was ended by SIGQUIT has left.'],
  [`${stateDirectory}/crashes/`, 'What is kept of workers that crashed, of batond crashes.'],
  [`${stateDirectory}/reports/`, 'The reports of the last 100 reloads, of batond report.'],
  [`${stateDirectory}/profiles/`, 'What batond profile has made, the last 20 of them.'],
  ...Object.entries(inside).map(([name, path]): Row => [path, FILE_WORDS[name as keyof typeof inside]]),
  ['.batond-seal, .batond-seal.sig', 'The seal of a release, in its folder, and the signature of the seal.'],
];

export const SIGNALS: readonly Row[] = [
  [
    'SIGTERM',
    'To the supervisor: finish what is in flight, then end. Where systemd is about to start it again (systemctl restart) only the supervisor ends, and the workers serve on. To the host (batond run in a terminal or a container): the service stops.',
  ],
  [
    'SIGINT',
    'The service stops. A second one, or a second SIGTERM, ends it at once: workers are killed. To batond reload before the commit: the reload is taken back.',
  ],
  [
    'SIGHUP',
    'The configuration is read again, without a reload of the service. To the host at a terminal: the service stops.',
  ],
  [
    'SIGUSR1',
    'log.level is debug for ten minutes, or until the next SIGUSR1. The port of the debugger of Node is not opened. No log file is opened again, since batond writes none.',
  ],
  [
    'SIGUSR2',
    'The service is reloaded as by batond reload, which nobody waits for: the verdict is in the log, as is a refusal.',
  ],
  [
    'SIGQUIT',
    'Writes down what is the case (the status, where reloads stand, the diagnostic report of Node) in diagnostics/ of the state directory, where the last five are kept, and ends the service at once. The exit status is 79, at which systemd does not start it again.',
  ],
];
