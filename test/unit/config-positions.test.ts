import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { TomlPositions } from '../../src/config/toml-positions.js';

const at = (text: string, ...path: (string | number)[]) => {
  const position = new TomlPositions(text).find(path);
  return position === null ? null : `${position.line}:${position.column}`;
};

/** Every path of the parsed document. */
function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (Array.isArray(value))
    return value.flatMap((item, index) => [[...path, index], ...pathsOf(item, [...path, index])]);
  if (typeof value !== 'object' || value === null || value instanceof Date) return [];
  return Object.entries(value).flatMap(([key, part]) => [[...path, key], ...pathsOf(part, [...path, key])]);
}

const DOCUMENT = `# a comment with = and [brackets]
name = "shop" # "quoted"
args = [
  "a]", # ] not the end
  'b, c',
  [1, 2],
]
a.b . "c.d" = 1
text = """
fake = 1
[fake]
\\""" still """
literal = '''
other = 2 '' '''
tricky = """x"""""
point = { x = 1, "y z" = { w = [ { v = 1 } ] } }
when = 1979-05-27 07:32:00Z

[env]
'PORT' = "3000"
"\\u0041" = "unicode"
  INDENTED = "="

[[listener]]
name = "http"
address = "80"
[listener.extra]
deep = true
[[listener]]
name = "https"
[[listener.part]]
x = 1
[[listener.part]]
x = 2

[ upgrade . inner ]
ready_timeout = "30s"
[last]`;

describe('the positions of keys', () => {
  test.each([
    ['2:1', ['name']],
    ['3:1', ['args']],
    ['4:3', ['args', 0]],
    ['5:3', ['args', 1]],
    ['6:7', ['args', 2, 1]],
    ['8:1', ['a']],
    ['8:1', ['a', 'b', 'c.d']],
    ['9:1', ['text']],
    ['13:1', ['literal']],
    ['15:1', ['tricky']],
    ['16:11', ['point', 'x']],
    ['16:18', ['point', 'y z']],
    ['16:36', ['point', 'y z', 'w', 0, 'v']],
    ['17:1', ['when']],
    ['19:1', ['env']],
    ['20:1', ['env', 'PORT']],
    ['21:1', ['env', 'A']],
    ['22:3', ['env', 'INDENTED']],
    ['24:1', ['listener', 0]],
    ['26:1', ['listener', 0, 'address']],
    ['28:1', ['listener', 0, 'extra', 'deep']],
    ['30:1', ['listener', 1, 'name']],
    ['34:1', ['listener', 1, 'part', 1, 'x']],
    ['36:1', ['upgrade']],
    ['37:1', ['upgrade', 'inner', 'ready_timeout']],
    ['38:1', ['last']],
  ])('%s is where %j stands', (position, path) => {
    expect(at(DOCUMENT, ...path)).toBe(position);
  });

  test('every path of the document has one of its own', () => {
    const positions = new TomlPositions(DOCUMENT);
    for (const path of pathsOf(parse(DOCUMENT))) {
      expect(positions.find(path), JSON.stringify(path)).not.toBeNull();
    }
    expect(at(DOCUMENT, 'fake')).toBeNull();
    expect(at(DOCUMENT, 'other')).toBeNull();
  });

  test('a key that is not there has the position of the nearest table around it', () => {
    expect(at(DOCUMENT, 'listener', 1, 'address')).toBe('29:1');
    expect(at(DOCUMENT, 'nowhere', 'at', 'all')).toBeNull();
  });

  test('lines that end like those of DOS count the same', () => {
    expect(at('a = 1\r\n[t]\r\nb = """\r\n"""\r\nc = 3\r\n', 't', 'c')).toBe('5:1');
  });

  test.each(['', '=', '[', '[[a', 'a', 'a = [', 'a = {', 'a = "', '"', ']\n}', 'a = """', '\u0000', '= = ='])(
    'the scan of %j ends, though it is not TOML',
    (text) => {
      expect(() => new TomlPositions(text)).not.toThrow();
    },
  );
});
