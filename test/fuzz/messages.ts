/** Inputs for what reads JSON: anything at all, and what is nearly right. */
import fc from 'fast-check';

/** Numbers at the borders of what fields hold, beside any others. */
export const number = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 0.5, 108, 255, 256, 4_096, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 53, 1e300),
  fc.integer(),
  fc.double(),
);

export const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '__proto__', 'constructor', 'toString', '\0', '../..', 'a\nb', '\u2028', '\ud800'),
  fc.integer({ min: 0, max: 20_000 }).map((length) => 'x'.repeat(length)),
);

/** Anything that JSON can say. */
export const json: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 3 });

const scalar = fc.oneof(number, text, fc.boolean(), fc.constant(null), fc.constant(undefined));

/** Any JSON, or values of the usual kinds. */
export const value: fc.Arbitrary<unknown> = fc.oneof({ weight: 4, arbitrary: scalar }, { weight: 1, arbitrary: json });

/** Messages with these types and any of these fields, right and wrong, as JSON would bring them. */
export function messages(types: readonly string[], fields: Record<string, fc.Arbitrary<unknown>>) {
  const right = Object.fromEntries(
    Object.entries(fields).map(([name, of]) => [
      name,
      fc.oneof({ weight: 6, arbitrary: of }, { weight: 1, arbitrary: value }),
    ]),
  );
  const record = fc.record({ type: fc.oneof(fc.constantFrom(...types), text), ...right }, { requiredKeys: [] });
  return fc.oneof({ weight: 9, arbitrary: record }, { weight: 1, arbitrary: json }).map(asJson);
}

export function asJson(input: unknown): unknown {
  const written = JSON.stringify(input);
  return written === undefined ? null : JSON.parse(written);
}

/** A value with one part of it replaced, removed, or added to: what a faulty or newer writer makes of it. */
export function mutated(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(valid, fc.array(fc.tuple(fc.nat(), fc.constantFrom('replace', 'remove', 'add'), value), { maxLength: 3 }))
    .map(([whole, changes]) => changes.reduce(change, asJson(whole)));
}

function change(whole: unknown, [at, how, by]: [number, string, unknown]): unknown {
  const places: [Record<string, unknown>, string][] = [];
  const visit = (part: unknown) => {
    if (typeof part !== 'object' || part === null) return;
    for (const key of Object.keys(part)) {
      places.push([part as Record<string, unknown>, key]);
      visit((part as Record<string, unknown>)[key]);
    }
  };
  visit(whole);
  const place = places[at % Math.max(1, places.length)];
  if (place === undefined) return asJson(by);
  const [owner, key] = place;
  if (how === 'replace') owner[key] = asJson(by) as never;
  else if (how === 'add') owner[`${key}x`] = asJson(by) as never;
  else if (Array.isArray(owner)) owner.splice(Number(key), 1);
  else delete owner[key];
  return whole;
}

/** Bytes of a text, cut off, with bits flipped, or as they are. */
export function damaged(texts: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const damage = fc.oneof(
    fc.constant((bytes: Buffer) => bytes),
    fc.nat().map((at) => (bytes: Buffer) => bytes.subarray(0, at % (bytes.length + 1))),
    fc.array(fc.nat(), { minLength: 1, maxLength: 4 }).map((bits) => (bytes: Buffer) => {
      for (const bit of bits) if (bytes.length > 0) bytes[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7);
      return bytes;
    }),
    fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 16 })).map(([at, more]) => (bytes: Buffer) => {
      const place = at % (bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, place), more, bytes.subarray(place)]);
    }),
  );
  return fc.tuple(texts, damage).map(([written, harm]) => harm(Buffer.from(written)));
}
