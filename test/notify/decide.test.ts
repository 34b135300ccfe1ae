import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TransitionKind } from '../../src/domain/alert.ts';
import { decide, matchesGlob } from '../../src/notify/decide.ts';
import { configOf, TransitionLog } from './fixtures.ts';

const config = configOf(`
contacts: {pharmacy: {email: p@x.org}, night: {email: n@x.org}, it: {email: i@x.org}, boss: {email: b@x.org}}
routes:
  - {match: {labels.team: it}, to: [it], continue: true}
  - {match: {labels.team: [pharmacy, it], level: critical}, to: [pharmacy, night]}
  - {match: {rule: "door-*"}, to: []}
default: {to: [boss]}
`);
const of = (kind: TransitionKind, alert: object, told: string[] = []) =>
  decide(new TransitionLog().add(kind, { id: 'a', ...alert }), { config, told }).contacts;

describe('who is told', () => {
  const cases: [name: string, kind: TransitionKind, alert: object, told: string[], contacts: string[]][] = [
    ['pending tells nobody', 'pending', {}, [], []],
    ['what ends before it fires tells nobody', 'cancelled', {}, [], []],
    ['the first route that matches', 'firing', {}, [], ['pharmacy', 'night']],
    ['a level that the route does not match goes to the default', 'firing', { level: 'warning' }, [], ['boss']],
    ['continue looks further', 'firing', { labels: { team: 'it' } }, [], ['it', 'pharmacy', 'night']],
    ['a route with continue keeps the default away', 'firing', { labels: { team: 'it' }, level: 'info' }, [], ['it']],
    ['a route to nobody', 'firing', { rule: 'door-open', labels: {} }, [], []],
    ['a missing label does not match', 'firing', { labels: {} }, [], ['boss']],
    ['a label from the prototype does not match', 'firing', { labels: { constructor: 'x' } }, [], ['boss']],
    ['a rise adds the new route and keeps who was told', 'level', { level: 'critical' }, ['boss'], ['pharmacy', 'night', 'boss']],
    ['a fall keeps who was told', 'level', { level: 'warning' }, ['pharmacy', 'night'], ['boss', 'pharmacy', 'night']],
    ['no data is an update', 'no-data', {}, ['pharmacy'], ['pharmacy', 'night']],
    ['the end goes to who was told, whatever the route is now', 'resolved', { level: 'critical' }, ['boss'], ['boss']],
    ['the end of what nobody heard of goes to nobody', 'resolved', {}, [], []],
    ['who is no contact any more is left out', 'resolved', {}, ['gone', 'boss'], ['boss']],
  ];
  it.each(cases)('%s', (_name, kind, alert, told, contacts) => {
    expect(of(kind, alert, told)).toEqual(contacts);
  });

  it('gives its reason, with the line of the route', () => {
    const reason = decide(new TransitionLog().add('level', { id: 'a' }), { config, told: ['boss', 'gone'] }).reason;
    expect(reason).toBe('the route on line 5 to pharmacy, night; also boss, who had been told before; no longer a contact: gone');
  });
});

describe('what is long past', () => {
  it.each(['firing', 'level', 'no-data', 'resolved'] as const)('%s waits for the summary, whoever was told before', (kind) => {
    const decision = decide(new TransitionLog().late(kind, { id: 'a' }), { config, told: ['boss'] });
    expect(decision).toEqual({ kind: null, contacts: [], reason: 'retrospective: told in the summary at the end of the backlog' });
  });

  it('is told nobody at all while it is pending, or when it ended before it fired', () => {
    const log = new TransitionLog();
    expect(decide(log.late('pending', { id: 'a' }), { config, told: [] }).reason).toBe('pending: nobody is told before it fires');
    expect(decide(log.late('cancelled', { id: 'a' }), { config, told: [] }).reason).toBe('ended before it fired: nobody is told');
  });

  const summaryOf = (alerts: Parameters<TransitionLog['late']>[], told: Record<string, string[]> = {}) => {
    const log = new TransitionLog();
    for (const alert of alerts) log.late(...alert);
    return decide(log.backlog(alerts.map(([, { id }]) => id)), { config, told: [], toldOf: (id) => told[id] ?? [] });
  };

  it('goes to the routes of each alert and to whoever was told of it, each for its own alerts', () => {
    const decision = summaryOf(
      [
        ['firing', { id: 'hot' }],
        ['firing', { id: 'it', level: 'info', labels: { team: 'it' } }],
        ['resolved', { id: 'over', level: 'warning' }],
        ['firing', { id: 'door', rule: 'door-open', labels: {} }],
      ],
      { over: ['night', 'gone'], door: ['it'] },
    );
    expect(decision).toMatchObject({ kind: 'backlog', contacts: ['pharmacy', 'night', 'it', 'boss'] });
    expect(decision.summary?.map(({ alert, contacts, reason }) => [alert.id, contacts, reason])).toEqual([
      ['hot', ['pharmacy', 'night'], 'the route on line 5 to pharmacy, night'],
      ['it', ['it'], 'the route on line 4 to it'],
      ['over', ['boss', 'night'], 'no route matches: the default to boss; also night, who had been told before; no longer a contact: gone'],
      ['door', ['it'], 'the route on line 6 tells nobody; also it, who had been told before'],
    ]);
    expect(decision.reason).toMatch(
      /^summary of the backlog of fridge-01 to pharmacy, night, it, boss \(fridge-warm: the route on line 5 to pharmacy, night \| /,
    );
  });

  it('leaves out what ended before it fired', () => {
    const decision = summaryOf([
      ['firing', { id: 'hot' }],
      ['cancelled', { id: 'brief', level: 'warning', firedAt: null }],
    ]);
    expect(decision.summary?.map(({ alert }) => alert.id)).toEqual(['hot']);
    expect(decision.contacts).toEqual(['pharmacy', 'night']);
    expect(summaryOf([['cancelled', { id: 'brief', firedAt: null }]])).toEqual({
      kind: null,
      contacts: [],
      reason: 'summary of the backlog of fridge-01: nothing in it had fired, nobody is told',
    });
  });

  it('says so when nobody results', () => {
    const { kind, contacts, reason } = summaryOf([['firing', { id: 'door', rule: 'door-open', labels: {} }]]);
    expect({ kind, contacts, reason }).toEqual({
      kind: 'backlog',
      contacts: [],
      reason: 'summary of the backlog of fridge-01 tells nobody (door-open: the route on line 6 tells nobody)',
    });
  });

  it('keeps its reason short, however many alerts there are', () => {
    const { reason } = summaryOf(Array.from({ length: 200 }, (_, index) => ['firing', { id: `a${index}` }]));
    expect(reason).toContain('| and 190 more)');
    expect(reason.length).toBeLessThan(1000);
  });

  it('without a memory of all alerts knows who was told of the one that stands for them', () => {
    const log = new TransitionLog();
    log.late('resolved', { id: 'over', level: 'warning' });
    expect(decide(log.backlog(['over']), { config, told: ['night'] }).contacts).toEqual(['boss', 'night']);
  });
});

describe('globs', () => {
  it('agrees with a regular expression', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (glob, subject) => {
        const pattern = glob.replace(/[*?]/g, (sign) => (sign === '*' ? '.*' : '.'));
        expect(matchesGlob(glob, subject)).toBe(new RegExp(`^${pattern}$`).test(subject));
      }),
    );
  });
});
