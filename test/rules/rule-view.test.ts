import { describe, expect, it } from 'vitest';
import { parseRules } from '../../src/rules/parse.ts';
import { rulesPage } from '../../src/rules/rule-view.ts';

const TEXT = `rules:
  - id: warm
    devices: {profile: fridge, labels: {site: a}}
    levels:
      warning: {when: temperature > 8, for: 90m, clear: temperature < 7}
    noData: {after: 30m, raise: critical}
    labels: {team: x}
    runbook: https://wiki.example.org/fridges
  - {id: a, levels: {info: {when: t > 1}}}
  - {id: z, levels: {info: {when: t > 1}}, noData: {after: 1500ms, then: ok}}
`;
const NOTHING = { open: new Map(), errors: new Map() };
const { rules } = parseRules([{ path: 'rules/cold.yaml', text: TEXT }]);

describe('rules for the API', () => {
  it('come by id, in the words of their file, with their open alerts', () => {
    const { items, next } = rulesPage(
      rules,
      { open: new Map([['warm', { pending: 2, firing: 1 }]]), errors: new Map([['warm', { count: 3, last: 'no' }]]) },
      {},
    );
    expect(next).toBeNull();
    expect(items.map(({ id }) => id)).toEqual(['a', 'warm', 'z']);
    expect(items[1]).toEqual({
      id: 'warm',
      place: 'rules/cold.yaml:2',
      devices: { profile: 'fridge', id: null, labels: { site: 'a' } },
      by: [],
      levels: [{ level: 'warning', when: 'temperature > 8', for: '1h30m', clear: 'temperature < 7', count: null, keepFiringFor: '0s' }],
      noData: { after: '30m', raise: 'critical', metrics: null },
      summary: null,
      description: null,
      runbook: 'https://wiki.example.org/fridges',
      labels: { team: 'x' },
      alerts: { pending: 2, firing: 1 },
      errors: { count: 3, last: 'no' },
    });
    expect(items[2]).toMatchObject({ noData: { after: '1500ms' }, alerts: { pending: 0, firing: 0 }, errors: null });
    expect(items[2]).toHaveProperty('noData.then', 'ok');
  });

  it('are paged', () => {
    const first = rulesPage(rules, NOTHING, { limit: 2 });
    expect(first).toMatchObject({ items: [{ id: 'a' }, { id: 'warm' }], next: 'warm' });
    expect(rulesPage(rules, NOTHING, { limit: 2, cursor: 'warm' })).toMatchObject({ items: [{ id: 'z' }], next: null });
  });
});
