/** What a supervisor that was killed has left is read to the last byte, or not at all. */
import { describe, expect, test } from 'vitest';
import { sealText, unsealText } from '../../src/inventory/sealed-text.js';

const STATE = JSON.stringify({ role: 'incumbent', workers: [1, 2] });
const sealed = sealText(1, STATE);

describe('a sealed text', () => {
  test('is what was sealed', () => {
    expect(unsealText(1, sealed)).toEqual({ text: STATE });
  });

  test.each([
    ['is empty', '', 'it is damaged'],
    ['is cut short', sealed.slice(0, -1), 'its checksum is wrong'],
    ['is cut in its seal', sealed.slice(0, 20), 'it is damaged'],
    ['was written into', sealed.replace('incumbent', 'candidate'), 'its checksum is wrong'],
    ['has more behind it', `${sealed} `, 'its checksum is wrong'],
    ['is of another version', sealed.replace('"version":1', '"version":99'), 'its version is 99'],
    ['is something else', `null\n${STATE}`, 'it is damaged'],
  ])('that %s is none, and says why', (_name, text, why) => {
    expect(unsealText(1, text)).toEqual({ text: null, why });
  });
});
