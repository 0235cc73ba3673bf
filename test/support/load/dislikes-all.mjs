// A check for a load in a process of its own that finds each answer wrong: the generator's tests want to see that it
// is asked. It must never be used for anything else.

/** @type {import('./check.mjs').Check} */
export default function dislikeAll() {
  return { wrong: 'disliked' };
}
