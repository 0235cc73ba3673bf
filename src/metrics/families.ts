/**
 * Every metric that there is, with its type and what it means, and a sheet that collects its values. Pure.
 *
 * Names are those of Prometheus' conventions: base units, `_total` for what only grows. None has a label whose values
 * somebody outside could make up, and none a generation that is gone.
 */
import { bucketName, type Counts } from './counts.js';

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary';

const FAMILIES = {
  batond_build_info: ['gauge', '1, with the versions of batond and of the Node that the supervisor runs on.'],
  batond_service_state: ['gauge', '1 for what the service does now: starting, serving, reloading or stopping.'],
  batond_service_level: ['gauge', '1 for the level of health of the service: OK, DEGRADED or UNHEALTHY.'],
  batond_service_trust_ratio: [
    'gauge',
    'Part of its time in service in which the generation that serves was OK, 0 to 1; absent while none serves.',
  ],
  batond_service_weight_ratio: ['gauge', 'Part of its traffic that the service asks load balancers for, 0 to 1.'],
  batond_service_accepting_workers: ['gauge', 'Workers that accept connections, of whatever generation serves.'],
  batond_service_start_time_seconds: ['gauge', 'When the service was first started, in seconds since the epoch.'],
  batond_service_config_refused: [
    'gauge',
    '1 while the configuration in use is an older one, because the one that is there now was refused.',
  ],
  batond_service_unprotected: [
    'gauge',
    '1 while a supervisor that dies could not be replaced whole; batond status says why.',
  ],
  batond_requests_total: ['counter', 'Requests begun, by process, over all generations.'],
  batond_request_errors_total: ['counter', 'Answers with a status of 5xx, by process, over all generations.'],
  batond_request_aborts_total: [
    'counter',
    'Requests whose connection closed before their answer was complete, by process, over all generations.',
  ],
  batond_request_duration_seconds: [
    'histogram',
    'Time from the head of a request to the last byte of its answer, by process, over all generations; without event streams and upgrades. The sum is reckoned from buckets of 12 %.',
  ],
  batond_connections_accepted_total: [
    'counter',
    'Connections, those included that came from another worker, by process, over all generations.',
  ],
  batond_generation_info: ['gauge', '1 for each generation that lives, with its role and its release.'],
  batond_generation_workers_wanted: ['gauge', 'Workers that the generation is meant to have.'],
  batond_generation_serving_seconds: ['gauge', 'Time since the generation was committed; absent before.'],
  batond_generation_drain_left_seconds: ['gauge', 'Time until the workers of a generation that drains are told to go.'],
  batond_worker_up: ['gauge', '1 when the worker answered this scrape within a second, 0 when what is told is older.'],
  batond_worker_heard_seconds: ['gauge', 'How long ago the worker said what is told of it here.'],
  batond_worker_uptime_seconds: ['gauge', 'Time since the process of the slot was started.'],
  batond_worker_phase: ['gauge', '1 for how far the worker has come: booting, ready, open, draining and the like.'],
  batond_worker_level: ['gauge', '1 for the level of health of a slot of the generation that serves.'],
  batond_worker_requests_total: ['counter', 'Requests begun, by all workers that the slot has had.'],
  batond_worker_request_errors_total: ['counter', 'Answers with a status of 5xx.'],
  batond_worker_request_aborts_total: ['counter', 'Requests whose connection closed before their answer was complete.'],
  batond_worker_request_duration_seconds: [
    'histogram',
    'Time from the head of a request to the last byte of its answer. The sum is reckoned from buckets of 12 %.',
  ],
  batond_worker_connections_accepted_total: ['counter', 'Connections, those included that came from another worker.'],
  batond_worker_requests_in_flight: ['gauge', 'Requests begun and not answered yet.'],
  batond_worker_connections: ['gauge', 'Open connections.'],
  batond_worker_event_loop_seconds_total: [
    'counter',
    'Time of the event loop, active or idle; the part that is active is its utilization.',
  ],
  batond_worker_event_loop_delay_seconds: [
    'histogram',
    'How late a timer of 100 ms was called (of 20 ms in a trial), for as long as scrapes come.',
  ],
  batond_worker_cpu_seconds_total: ['counter', 'Processor time of the process, in user and in system mode.'],
  batond_worker_resident_memory_bytes: ['gauge', 'Resident memory of the process.'],
  batond_worker_heap_used_bytes: ['gauge', "Of V8's heap, used."],
  batond_worker_heap_size_bytes: ['gauge', "Of V8's heap, allocated."],
  batond_worker_heap_limit_bytes: ['gauge', "What V8's heap may grow to, before the process ends for want of memory."],
  batond_worker_external_memory_bytes: ['gauge', 'Memory of buffers and the like, beside the heap.'],
  batond_worker_open_fds: ['gauge', 'Open descriptors of the process.'],
  batond_worker_gc_duration_seconds: [
    'summary',
    'Garbage collections by kind and the time that they took, from the first scrape of the worker on.',
  ],
  batond_worker_ends_total: [
    'counter',
    'Workers of a generation that served which ended unasked, by the rule that they fell under, what it was, and what was done.',
  ],
  batond_reloads_total: ['counter', 'Starts, reloads, rollbacks and returns to a good release, by kind and verdict.'],
  batond_reload_duration_seconds: ['histogram', 'From the start of a reload to its verdict.'],
  batond_reload_phase_duration_seconds: ['histogram', 'The parts of a reload.'],
  batond_reload_in_progress: ['gauge', '1 while a reload is under way.'],
  batond_reload_in_progress_seconds: ['gauge', 'For how long; 0 where none is.'],
  batond_reload_phase: ['gauge', '1 for the part of a reload that is under way.'],
  batond_last_reload_success: ['gauge', '1 when the last reload was done, 0 when it was refused or taken back.'],
  batond_last_reload_timestamp_seconds: ['gauge', 'When the last reload had its verdict, in seconds since the epoch.'],
  batond_last_reload_duration_seconds: ['gauge', 'How long the last reload took.'],
  batond_drain_connections_total: [
    'counter',
    'Connections of generations that drained: moved to the next, finished, told to go, or cut. Counted when all have ended.',
  ],
  batond_drain_workers_total: [
    'counter',
    'Workers of such generations that did not end well: timed_out (told to go before they had drained), killed, lost.',
  ],
  batond_canary_share_ratio: [
    'gauge',
    'Part of the new connections that goes to a candidate in a canary; 0 without one.',
  ],
  batond_degrade_rule_firing: ['gauge', '1 while a rule of [[degrade]] fires.'],
  batond_cgroup_memory_bytes: ['gauge', "Memory of the service's control group, page cache included."],
  batond_cgroup_memory_max_bytes: ['gauge', 'Its limit, memory.max; absent where it has none of its own.'],
  batond_cgroup_memory_high_bytes: ['gauge', 'Where it is slowed down, memory.high; absent where there is none.'],
  batond_cgroup_memory_events_total: ['counter', 'memory.events: how often low, high, max, oom and oom_kill happened.'],
  batond_cgroup_memory_pressure_seconds_total: [
    'counter',
    'Time in which some task, or all of them (full), waited for memory.',
  ],
  batond_cgroup_cpu_seconds_total: ['counter', 'Processor time of all that runs in the control group.'],
  batond_cgroup_cpu_periods_total: ['counter', 'Periods of the CPU quota; absent without one.'],
  batond_cgroup_cpu_throttled_periods_total: ['counter', 'Those in which the quota ran out.'],
  batond_cgroup_cpu_throttled_seconds_total: ['counter', 'Time for which tasks were held back by the quota.'],
  batond_cgroup_tasks: ['gauge', 'Processes and threads in the control group.'],
  batond_cgroup_tasks_max: ['gauge', 'Its limit, pids.max; absent where it has none of its own.'],
  batond_supervisor_start_time_seconds: [
    'gauge',
    'When the process of the supervisor was started, in seconds since the epoch: another one at each reload.',
  ],
  batond_supervisor_resident_memory_bytes: ['gauge', 'Resident memory of the supervisor.'],
  batond_supervisor_open_fds: ['gauge', 'Open descriptors of the supervisor.'],
  batond_supervisor_event_loop_delay_seconds: [
    'gauge',
    'How late a timer of the supervisor was called in this scrape.',
  ],
  batond_supervisor_takeovers_total: ['counter', 'Supervisors that took over from one that lived, as in a reload.'],
  batond_supervisor_adoptions_total: [
    'counter',
    'Supervisors that came after one that had died, or had left for a restart, and adopted its workers.',
  ],
} as const satisfies Record<string, readonly [MetricType, string]>;

export type MetricName = keyof typeof FAMILIES;
export type LabelValues = Readonly<Record<string, string | number>>;

export interface Value {
  /** '' is the metric itself; else '_bucket', '_sum' or '_count'. */
  readonly suffix: string;
  readonly labels: LabelValues;
  readonly value: number;
}

export interface Family {
  readonly name: MetricName;
  readonly type: MetricType;
  readonly help: string;
  readonly values: readonly Value[];
}

export const METRIC_NAMES = Object.keys(FAMILIES) as MetricName[];

export class Sheet {
  readonly #values = new Map<MetricName, Value[]>();

  /** Nothing is told of what is not known. */
  add(name: MetricName, labels: LabelValues, value: number | boolean | null | undefined): void {
    if (value !== null && value !== undefined) this.#add(name, '', labels, Number(value));
  }

  /** The buckets of that prefix; of what was never counted nothing is told. */
  histogram(name: MetricName, labels: LabelValues, counts: Counts, prefix: string, bounds: readonly number[]): void {
    const sum = counts[prefix];
    if (sum === undefined) return;
    let below = 0;
    for (const bound of [...bounds, Number.POSITIVE_INFINITY]) {
      below += counts[bucketName(prefix, bound)] ?? 0;
      const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : bound;
      this.#add(name, '_bucket', { ...labels, le }, below);
    }
    this.#add(name, '_sum', labels, sum);
    this.#add(name, '_count', labels, below);
  }

  summary(name: MetricName, labels: LabelValues, count: number | undefined, sum: number | undefined): void {
    if (count === undefined || sum === undefined) return;
    this.#add(name, '_sum', labels, sum);
    this.#add(name, '_count', labels, count);
  }

  /** In the order of the table; those without a value are left out. */
  get families(): Family[] {
    return METRIC_NAMES.flatMap((name) => {
      const values = this.#values.get(name);
      const [type, help] = FAMILIES[name];
      return values === undefined ? [] : [{ name, type, help, values }];
    });
  }

  #add(name: MetricName, suffix: string, labels: LabelValues, value: number): void {
    const values = this.#values.get(name);
    if (values === undefined) this.#values.set(name, [{ suffix, labels, value }]);
    else values.push({ suffix, labels, value });
  }
}
