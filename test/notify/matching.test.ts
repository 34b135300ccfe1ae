import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Alert } from '../../src/domain/alert.ts';
import type { AlertMatch } from '../../src/domain/operation.ts';
import { labelOf, matches, matchesGlob } from '../../src/notify/matching.ts';

const alert: Alert = {
  ...{ id: 'a-1', rule: 'fridge-warm', device: 'fridge-01', level: 'warning', state: 'firing', flags: [], since: 0, firedAt: 0 },
  ...{ resolvedAt: null, value: 9.3, summary: 'warm', labels: { team: 'pharmacy', site: 'berlin', note: '' } },
};
const ofGroup: Alert = { ...alert, device: 'site=berlin', group: 'site=berlin' };
const ANY: AlertMatch = { levels: null, rules: null, devices: null, alerts: null, labels: {} };

describe('a match', () => {
  const cases: [name: string, match: Partial<AlertMatch>, expected: boolean][] = [
    ['of nothing matches all', {}, true],
    ['of the level', { levels: ['warning'] }, true],
    ['of another level', { levels: ['info', 'critical'] }, false],
    ['of one of several levels', { levels: ['critical', 'warning'] }, true],
    ['of the rule', { rules: ['fridge-warm'] }, true],
    ['of a part of the rule’s name', { rules: ['fridge'] }, false],
    ['of a rule glob', { rules: ['door-*', 'fridge-*'] }, true],
    ['of another rule glob', { rules: ['door-*', '?'] }, false],
    ['of the device among exact names and globs', { devices: ['x-*', 'fridge-01'] }, true],
    ['of a device glob', { devices: ['fridge-0?'] }, true],
    ['of another device', { devices: ['fridge-02'] }, false],
    ['of the alert', { alerts: ['a-0', 'a-1'] }, true],
    ['of another alert', { alerts: ['a-2'] }, false],
    ['an alert’s id is no glob', { alerts: ['a-*'] }, false],
    ['of an empty list', { rules: [] }, false],
    ['of a label', { labels: { team: ['it', 'pharmacy'] } }, true],
    ['of another value', { labels: { team: ['it'] } }, false],
    ['a label is no glob', { labels: { team: ['*'] } }, false],
    ['of two labels, one of which differs', { labels: { team: ['pharmacy'], site: ['hamburg'] } }, false],
    ['a label that is missing is the empty text', { labels: { floor: ['', '2'] } }, true],
    ['a label that is missing is nothing else', { labels: { floor: ['2'] } }, false],
    ['a label that is empty', { labels: { note: [''] } }, true],
    ['what every object has is no label', { labels: { constructor: [''] } }, true],
    ['all that is given must match', { levels: ['warning'], rules: ['fridge-*'], devices: ['door-01'] }, false],
    ['all that is given does match', { levels: ['warning'], rules: ['*'], devices: ['fridge-01'], labels: { site: ['berlin'] } }, true],
  ];
  it.each(cases)('%s', (_name, match, expected) => {
    expect(matches({ ...ANY, ...match }, alert)).toBe(expected);
  });

  it('takes the group’s name for the device of an alert about a group', () => {
    expect(matches({ ...ANY, devices: ['site=*'] }, ofGroup)).toBe(true);
    expect(matches({ ...ANY, devices: ['fridge-01'] }, ofGroup)).toBe(false);
  });

  it('says the same of two alerts with the same lists, one after the other', () => {
    const match: AlertMatch = { ...ANY, rules: ['a', 'b*'], alerts: ['1', '2'] };
    const of = (rule: string, id: string): boolean => matches(match, { ...alert, rule, id });
    expect([of('a', '1'), of('b1', '2'), of('c', '1'), of('a', '3'), of('a', '1')]).toEqual([true, true, false, false, true]);
  });

  it('finds one of a hundred thousand alerts at once', () => {
    const match: AlertMatch = { ...ANY, alerts: Array.from({ length: 100_000 }, (_, index) => `a-${index}`) };
    const began = performance.now();
    for (let i = 0; i < 10_000; i++) expect(matches(match, { ...alert, id: i % 2 === 0 ? 'a-99999' : 'b' })).toBe(i % 2 === 0);
    // Gone through one by one it would be 10⁹ comparisons.
    expect(performance.now() - began).toBeLessThan(1500);
  });
});

describe('a part of an alert', () => {
  const cases: [name: string, expected: string][] = [
    ['rule', 'fridge-warm'],
    ['device', 'fridge-01'],
    ['level', 'warning'],
    ['labels.team', 'pharmacy'],
    ['labels.floor', ''],
    ['labels.constructor', ''],
    ['team', ''],
    ['summary', ''],
  ];
  it.each(cases)('%s is "%s"', (name, expected) => expect(labelOf(alert, name)).toBe(expected));

  it('device is the group’s name of an alert about a group', () => expect(labelOf(ofGroup, 'device')).toBe('site=berlin'));
});

describe('a glob', () => {
  it('matches what the same regular expression does', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 12 });
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '-', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(glob, text, (pattern, subject) => {
        const regular = pattern.replaceAll('*', '.*').replaceAll('?', '.');
        expect(matchesGlob(pattern, subject)).toBe(new RegExp(`^${regular}$`).test(subject));
        expect(matches({ ...ANY, rules: [pattern] }, { ...alert, rule: subject })).toBe(
          pattern === subject || matchesGlob(pattern, subject),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('with many stars is no trap', () => {
    const began = performance.now();
    expect(matchesGlob(`${'a*'.repeat(30)}b`, 'a'.repeat(5000))).toBe(false);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
