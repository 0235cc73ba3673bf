// Prints the fault matrix as a table while it is played, and the sum of it. A vitest reporter.

const WIDTHS = [12, 12, 16, 10, 8, 24, 5, 5, 7];
const HEAD = ['machine', 'state', 'event', 'victim', 'signal', 'outcome', 'lost', 'held', 'ms'];

export default class FaultReporter {
  #start = performance.now();
  #done = 0;
  #failed = [];
  #total = Number(process.env.BATOND_FAULTS_TOTAL ?? 0);

  onTestRunStart() {
    console.log(line(HEAD));
  }

  onTestCaseResult(test) {
    const { row, total } = test.meta();
    if (row === undefined) return;
    this.#total = total;
    this.#done += 1;
    const result = test.result();
    const passed = result.state === 'passed';

    const { machine, state, event, victim, signal } = row;
    if (!passed) this.#failed.push(`${machine}.${state}.${event} ${victim} ${signal}`);
    const { outcome = 'FAILED', lost = '', held = '', ms = '' } = row;
    const seconds = Math.round((performance.now() - this.#start) / 1_000);
    const progress = `${this.#done}/${this.#total} ${seconds} s`;
    console.log(
      `${line([machine, state, event, victim, signal, passed ? outcome : 'FAILED', lost, held, ms])}  ${progress}`,
    );
    for (const error of result.errors ?? [])
      console.log(`    ${String(error.message).split('\n').slice(0, 100).join('\n    ')}`);
  }

  onTestRunEnd(_modules, errors) {
    for (const error of errors) console.log(`error outside of any case: ${error.message}`);
    for (const name of this.#failed) console.log(`failed: ${name}`);
    const seconds = Math.round((performance.now() - this.#start) / 1_000);
    console.log(
      `${this.#done} cases, ${this.#done - this.#failed.length} held, ${this.#failed.length} failed, ${seconds} s`,
    );
  }
}

function line(cells) {
  return cells.map((cell, i) => (i < 6 ? String(cell).padEnd(WIDTHS[i]) : String(cell).padStart(WIDTHS[i]))).join(' ');
}
