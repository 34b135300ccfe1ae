import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Devices } from '../../src/alerts/devices.ts';
import { createRuleIndex } from '../../src/alerts/rule-index.ts';
import type { CompiledRule } from '../../src/rules/compile.ts';
import { createSelector } from '../../src/rules/selector.ts';
import { directoryOf, profileOf, rulesOf } from './scenario.ts';

const FRIDGE = 'vaccine-fridge';
const directory = directoryOf({ profiles: [profileOf(), profileOf({ name: 'freezer' })] });
const [SOME] = rulesOf('rules:\n  - {id: some, levels: {warning: {when: "temperature > 8"}}}\n', directory);

// Few letters, so that ids, globs and labels often meet.
const id = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 4 });
const glob = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), minLength: 1, maxLength: 5 });
const labels = fc.dictionary(fc.constantFrom('site', 'room'), fc.constantFrom('x', 'y', ''), { maxKeys: 2 });
const profile = fc.constantFrom(null, FRIDGE, 'freezer');
const selector = fc.record({ profile, id: fc.option(glob), labels });
const device = fc.record({ id, profile, labels });

function ruleFor(given: { profile: string | null; id: string | null; labels: Record<string, string> }): CompiledRule {
  if (SOME === undefined) throw new Error('there is no rule to start from');
  const hasProgram = (name: string | null): boolean => given.profile === null || given.profile === name;
  return {
    ...SOME,
    rule: { ...SOME.rule, selector: given },
    matches: createSelector(given),
    programFor: (name) => (hasProgram(name) ? SOME.programFor(name) : null),
  };
}

describe('the candidates among the rules', () => {
  it('are every rule that matches, in the order of the rules, each once', () => {
    fc.assert(
      fc.property(fc.array(selector, { maxLength: 30 }), fc.array(device, { maxLength: 8 }), (selectors, devices) => {
        const rules = selectors.map(ruleFor);
        const index = createRuleIndex(rules, (rule, name) => rule.programFor(name) !== null);
        for (const ref of devices) {
          const found = index.candidates(ref);
          expect(found.filter((rule) => rule.matches(ref))).toEqual(rules.filter((rule) => rule.matches(ref)));
          expect(found).toEqual(rules.filter((rule) => found.includes(rule)));
        }
      }),
    );
  });

  it('are few, however many rules are for other devices', () => {
    const selectors = Array.from({ length: 1000 }, (_, number) => [
      { profile: null, id: `device-${number}`, labels: {} },
      { profile: null, id: `gate${number}-*`, labels: {} },
      { profile: null, id: null, labels: { site: `s${number}`, kind: 'any' } },
      { profile: FRIDGE, id: '*', labels: { kind: 'any', site: `s${number}` } },
    ]).flat();
    const index = createRuleIndex(selectors.map(ruleFor), (rule, name) => rule.programFor(name) !== null);
    expect(index.candidates({ id: 'device-7', profile: FRIDGE, labels: {} })).toHaveLength(1);
    expect(index.candidates({ id: 'gate12-a', profile: null, labels: {} })).toHaveLength(1);
    expect(index.candidates({ id: 'x', profile: FRIDGE, labels: { site: 's1', kind: 'any' } })).toHaveLength(2);
    expect(index.candidates({ id: 'x', profile: 'freezer', labels: { site: 's1', kind: 'any' } })).toHaveLength(1);
  });

  it('include, in their place, the rules that are kept', () => {
    const rules = ['a', 'b', 'c'].map((name) => ruleFor({ profile: null, id: name, labels: {} }));
    const [a, b, c] = rules;
    if (a === undefined || b === undefined || c === undefined) throw new Error('there are three rules');
    const index = createRuleIndex(rules, () => true);
    const ref = { id: 'b', profile: null, labels: {} };
    expect(index.candidates(ref, [c, a, b])).toEqual([a, b, c]);
    expect(index.candidates(ref, [ruleFor({ profile: null, id: 'b', labels: {} })])).toEqual([b]);
  });
});

describe('a device', () => {
  it('is bound to the rules of its labels, and to others when they change', () => {
    const text = `rules:
  - {id: attic, devices: {labels: {room: attic}}, levels: {warning: {when: "temperature > 8"}}}
  - {id: every, levels: {warning: {when: "temperature > 8"}}}
  - {id: cellar, devices: {labels: {room: cellar}}, levels: {warning: {when: "temperature > 8"}}}
  - {id: site, by: [site], devices: {labels: {room: cellar}}, levels: {warning: {when: "max(temperature) > 8"}}}
`;
    const devices = new Devices({ rules: rulesOf(text, directory), directory, graceUntil: 0 });
    const bound = (room: string) => {
      const { instances, memberships } = devices.intern({ id: 'a', profile: FRIDGE, labels: { room, site: 's' } });
      return [...instances.map(({ rule }) => rule.rule.id), ...memberships.map(({ group }) => group.name)];
    };
    expect(bound('attic')).toEqual(['attic', 'every']);
    expect(bound('cellar')).toEqual(['every', 'cellar', 'site=s']);
    expect(bound('hall')).toEqual(['every']);
  });
});
