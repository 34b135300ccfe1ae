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
