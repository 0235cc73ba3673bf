import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { native } from '../../src/native.js';
import { expectNoLeak } from './expectations.js';

const n = native();

describe('names of users and groups', () => {
  test('are found both ways', () => {
    expect(n.userByName('root')).toBe(0);
    expect(n.groupByName('root')).toBe(0);
    expect(n.userName(0)).toBe('root');
    expect(n.userName(process.getuid!())).toBe(userInfo().username);
  });

  test('that nobody has are null', () => {
    expect(n.userByName('no-such-user-here')).toBeNull();
    expect(n.groupByName('no-such-group-here')).toBeNull();
    expect(n.userName(3_999_999_999)).toBeNull();
    expect(n.userByName('')).toBeNull();
  });

  test('of another type are a TypeError', () => {
    expect(() => n.userByName(1 as never)).toThrow(TypeError);
    expect(() => n.groupByName(undefined as never)).toThrow(TypeError);
    expect(() => n.userName('root' as never)).toThrow(TypeError);
  });

  test('1,000 rounds leave no descriptor', () => {
    expectNoLeak(() => {
      n.userByName('root');
      n.groupByName('no-such-group-here');
      n.userName(0);
    });
  });
});
