// Judges a whole response: who answered, or what is wrong with it. The caller of a load may bring a function of the
// same shape. It must never be lenient: what was not asked for is wrong.

/** @typedef {{ status: number, headers: ReadonlyMap<string, string>, body: Buffer }} Response */
/** @typedef {{ release?: string | undefined, pid?: number | undefined } | { wrong: string }} Verdict */
/** @typedef {(response: Response, request: import('./exchange.mjs').Request) => Verdict} Check */

/** @type {Check} */
export function checkAnswer(response, request) {
  if (response.status !== 200) return { wrong: `status ${response.status}: ${excerpt(response.body)}` };
  return request.kind === 'slow' ? checkSlow(response, request) : checkJson(response, request);
}

/** @type {Check} */
function checkSlow({ headers, body }, { expected }) {
  if (body.toString('latin1') !== expected.body)
    return { wrong: `not the bytes that were asked for: ${excerpt(body)}` };
  const pid = headers.get('x-pid');
  return { release: headers.get('x-release'), pid: pid === undefined ? undefined : Number(pid) };
}

/** @type {Check} */
function checkJson({ body }, { kind, expected }) {
  const facts = parseObject(body);
  if (facts === null) return { wrong: `no JSON object: ${excerpt(body)}` };
  const release = facts.release ?? facts.generation;
  if (release === undefined) return { wrong: `no release in it: ${excerpt(body)}` };
  if (kind === 'upload' && (facts.bytes !== expected.bytes || facts.sha256 !== expected.sha256)) {
    return { wrong: `of ${expected.bytes} bytes (${expected.sha256}) this arrived: ${excerpt(body)}` };
  }
  const pid = facts.pid;
  return { release: String(release), pid: typeof pid === 'number' ? pid : undefined };
}

/** @param {Buffer} body @returns {Record<string, unknown> | null} */
function parseObject(body) {
  try {
    const value = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** @param {Buffer} body */
function excerpt(body) {
  return JSON.stringify(body.toString('utf8', 0, 120));
}
