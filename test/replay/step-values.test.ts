import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandSteps, GAP, STEPS_MAX } from '../../src/replay/step-values.ts';

const steps = (...list: unknown[]): unknown[] => expandSteps(list).steps;
const problems = (...list: unknown[]): string[] => expandSteps(list).problems.map(({ index, message }) => `${index}: ${message}`);

describe('values of a rule test', () => {
  it.each<[string, unknown[], unknown[]]>([
    ['values as they are', [5, -1.5, true, 'eco'], [5, -1.5, true, 'eco']],
    ['text of digits and truth values', ['9', '-0.5', 'true', 'false'], [9, -0.5, true, false]],
    ['repetition', ['9 x3', 5, 'true x2', 'eco x2', 'half full x2'], [9, 9, 9, 5, true, true, 'eco', 'eco', 'half full', 'half full']],
    ['a ramp, both ends included', ['5..9 x5', '-1..1 x3', '9..8 x2'], [5, 6, 7, 8, 9, -1, 0, 1, 9, 8]],
    ['a ramp of fractions, as a person would write them', ['5..6 x6'], [5, 5.2, 5.4, 5.6, 5.8, 6]],
    ['no value', [null, '-', '~', '- x2'], [null, null, null, null, null]],
    ['no message', ['gap', 'gap x2'], [GAP, GAP, GAP]],
    ['values that look like notation', [{ value: 'gap' }, { value: '9 x2', times: 2 }], ['gap', '9 x2', '9 x2']],
    ['an x that repeats nothing', ['box', 'x3', '3x4'], ['box', 'x3', '3x4']],
  ])('%s', (_name, list, expected) => {
    expect(expandSteps(list).problems).toEqual([]);
    expect(steps(...list)).toEqual(expected);
  });

  it.each<[string, unknown, string]>([
    ['a ramp that does not say how long', '5..9', '"5..9" does not say in how many steps'],
    ['nothing', '9 x0', '"9 x0" stands for nothing'],
    ['a list in the list', [1], 'expected a value'],
    ['a mapping of other keys', { value: 9, count: 2 }, 'expected a value'],
    ['more than anybody reads', '9 x100001', `more than ${STEPS_MAX} values`],
  ])('%s is refused', (_name, entry, message) => expect(problems(5, entry)).toEqual([`1: ${message}`]));

  it('any value at all can be written in the long form', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.boolean(), fc.double({ noNaN: true })), fc.integer({ min: 1, max: 9 }), (value, times) => {
        expect(steps({ value, times })).toEqual(Array.from({ length: times }, () => value));
      }),
    );
  });
});
