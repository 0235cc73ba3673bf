/** What a case may come to for whoever waits for the verdict. */
import type { Case } from './cases.js';

/** `ok`, a code of the verdict, `none` for a clear end without one, `killed` for a client that did not live to hear it. */
export type Outcome = string;

/** The next supervisor tells it, or the connection ends, where the one that died had not yet put it on record. */
const DIED = ['SUPERVISOR_DIED', 'none'];
/** From these on the successor is the main process. */
const YIELDED = ['predecessor.handing.took', 'predecessor.yielding.yielded', 'successor.waiting.yours'];
/** The candidate serves already, or the word that it does is on its way. */
const LATE = ['switching.opened', 'switching.paused', 'soaking.soaked', 'committing.committed'];

export function expectedOutcomes({ cell, scenario, victim, signal }: Case): Outcome[] {
  const died = scenario.verdict === 'SUPERVISOR_DIED';
  const usual = scenario.verdict === 'CLIENT_GONE' ? 'killed' : (scenario.verdict ?? 'ok');
  const name = `${cell.machine}.${cell.state}.${cell.event}`;
  const yielded = YIELDED.includes(name);
  // Somebody has ended the client before: it cannot hear anything.
  if (usual === 'killed') return ['killed'];
  switch (victim) {
    case 'client':
      return signal === 'SIGKILL' ? ['killed', ...(died ? DIED : [])] : died ? DIED : [usual];
    case 'incumbent':
      return died ? DIED : [usual];
    case 'S1':
      return cell.machine === 'roll' || name === 'predecessor.yielding.yielded' || name === 'successor.waiting.yours'
        ? [usual]
        : DIED;
    case 'S2':
      if (name === 'roll.committing.committed') return [...DIED, 'ok'];
      if (cell.machine === 'roll' || yielded || died) return DIED;
      // Where it is about to say why not, it never does.
      if (usual !== 'ok' && name !== 'successor.greeting.violated') return [usual];
      return [signal === 'SIGKILL' ? 'SUCCESSOR_EXITED' : 'SUCCESSOR_TIMED_OUT'];
    default:
      if (died) return DIED;
      if (LATE.includes(`${cell.state}.${cell.event}`)) {
        return signal === 'SIGKILL' && cell.event === 'opened' ? ['ok', 'CANDIDATE_EXITED'] : ['ok'];
      }
      if (usual !== 'ok') return [usual, 'CANDIDATE_EXITED'];
      if (signal === 'SIGKILL') return ['CANDIDATE_EXITED', 'CANDIDATE_NOT_ANSWERING'];
      return [
        cell.state === 'booting' ? 'CANDIDATE_NOT_ANSWERING' : 'CANDIDATE_NOT_OPENED',
        // One that is watched is found out by its silence, where that is seen first.
        ...(scenario.config === 'canary' || scenario.config === 'soak' ? ['SOAK_FAILED'] : []),
      ];
  }
}

/** Nobody may play that role any more, depending on who was faster. */
export function mayBeAbsent({ cell, scenario, victim }: Case): boolean {
  if (victim === 'S1') return cell.machine !== 'predecessor';
  if (victim === 'S2') return cell.machine === 'predecessor' && scenario.verdict !== null;
  if (victim === 'candidate') return scenario.app === 'exits-at-once';
  return victim === 'client' && scenario.verdict === 'SUPERVISOR_DIED';
}
