/** Tells the traces of a reload, where the variables of OpenTelemetry ask for some; what makes them is loaded only then. */
import type { Situation } from './situation.js';
import type { Traces } from './traces.js';

export class Traced {
  readonly #situation: Situation;
  #traces: Promise<Traces> | null = null;

  constructor(situation: Situation) {
    this.#situation = situation;
  }

  tell(say: (traces: Traces) => void): void {
    const { name } = this.#situation.config;
    const { env, log } = this.#situation.options;
    if (!(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT)) return;
    if (env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return;
    this.#traces ??= import('./traces.js').then(({ Traces }) => new Traces({ name, env, log }));
    this.#traces.then(say).catch((error: Error) => {
      log.warn({ event: 'trace-failed', err: error }, `the trace of a reload could not be sent: ${error.message}`);
    });
  }
}
