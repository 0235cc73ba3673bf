/** Has the series of open reports recorded, by what is loaded when there is the first. */
import type { SeriesHost, SeriesRecorder } from './series-recorder.js';

export class SeriesWatch {
  readonly #host: SeriesHost;
  #recorder: SeriesRecorder | null = null;
  #acts = false;

  constructor(host: SeriesHost) {
    this.#host = host;
  }

  /** This supervisor acts, and there may be a report to go on with. */
  activate(): void {
    this.#acts = true;
    this.begun();
  }

  /** There may be another report. */
  begun(): void {
    if (!this.#acts || this.#host.open().length === 0) return;
    if (this.#recorder !== null) this.#recorder.begin();
    else {
      void import('./series-recorder.js').then(({ SeriesRecorder }) => {
        this.#recorder ??= new SeriesRecorder(this.#host);
        if (this.#acts) this.#recorder.begin();
      });
    }
  }

  /** Somebody else is about to act. */
  freeze(): void {
    this.#acts = false;
    this.#recorder?.freeze();
  }
}
