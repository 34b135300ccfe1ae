/** From alert to message, step by step: routes, groups and their waits, reminders, dedupe. */
import { describe, it } from 'vitest';
import { scenario } from './scenario.ts';

const ONE = `
contacts: {ops: {email: ops@x.org}}
default: {to: [ops]}`;
const TWO = `
contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}
routes: [{match: {level: critical}, to: [night]}]
default: {to: [ops]}`;
const route = (keys: string): string => `
contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}
routes: [{match: {}, to: [ops], ${keys}}]
default: {to: []}`;

describe('newly firing', () => {
  it('waits 30 s, critical does not wait', () =>
    scenario(ONE, ({ at, because }) => {
      at('0s').fires('a').fires('b', { level: 'critical' }).fires('c', { level: 'info' }).tells('ops', 'b firing critical');
      at('30s').tells('ops', 'a firing').tells('ops', 'c firing info');
      because('a', /the default to ops, in 30 s\nfiring: told to ops/);
      because('b', /the default to ops\nfiring: told to ops/);
    }));

  it('waits as long as the route says, by level', () =>
    scenario(route('groupWait: {critical: 5s, warning: 2m}'), ({ at }) => {
      at('0s').fires('a').fires('b', { level: 'critical' }).fires('c', { level: 'info' });
      at('5s').tells('ops', 'b firing critical');
      at('30s').tells('ops', 'c firing info');
      at('2m').tells('ops', 'a firing');
    }));

  it('what pends, or ends within the wait, tells nobody, and says so', () =>
    scenario(ONE, ({ at, because, leavesNothing }) => {
      at('0s').pends('p');
      at('5s').cancels('p');
      at('0s').fires('a');
      at('20s').resolves('a');
      because('p', /pending: nobody is told before it fires\nended before it fired: nobody is told/);
      because('a', /resolved: nobody had been told of it/);
      leavesNothing();
    }));

  it('rises while it waits: told at once, once, at its level', () =>
    scenario(TWO, ({ at, leavesNothing }) => {
      at('0s').fires('a');
      at('10s').rises('a').tells('night', 'a firing critical');
      at('1h').resolves('a').tells('night', 'a resolved critical');
      leavesNothing();
    }));

  it('falls while it waits: told at the end of its own wait', () =>
    scenario(route('groupWait: 1m'), ({ at }) => {
      at('0s').fires('a', { level: 'critical' });
      at('10s').falls('a');
      at('1m').tells('ops', 'a firing');
    }));

  it('tells nobody where the route says so, on purpose', () =>
    scenario('{contacts: {}, default: {to: []}}', ({ at, because, leavesNothing }) => {
      at('0s').fires('a', { level: 'critical' });
      at('10m').resolves('a');
      because('a', /the default tells nobody/);
      leavesNothing();
    }));
});

describe('updates', () => {
  const SITE = route('groupBy: [labels.site]');
  const berlin = { labels: { site: 'berlin' } };

  it('a fall of the level and no-data wait for the groupInterval, a rise does not', () =>
    scenario(ONE, ({ at }) => {
      at('0s').fires('a', { level: 'critical' }).tells('ops', 'a firing critical');
      at('1m').falls('a');
      at('5m').tells('ops', 'a critical→warning');
      at('6m').rises('a').tells('ops', 'a warning→critical');
      at('7m').noData('a');
      at('11m').tells('ops', 'a no-data');
      at('30m').noData('a', false);
      at('30m').tells('ops', 'a data again');
    }));

  it('what changes back before it is told is not told', () =>
    scenario(ONE, ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('1m').noData('a');
      at('2m').noData('a', false);
    }));

  it('no-data of an alert that fires never ends it', () =>
    scenario(ONE, ({ at }) => {
      at('0s').fires('a').noData('a');
      at('30s').tells('ops', 'a firing');
    }));

  it('alerts with equal groupBy values are one message, others their own', () =>
    scenario(SITE, ({ at }) => {
      at('0s').fires('a', berlin).fires('n', { labels: {} });
      at('10s')
        .fires('b', berlin)
        .fires('m', { labels: {} })
        .fires('p', { labels: { site: 'paris' } });
      at('30s').tells('ops', 'a firing, b firing').tells('ops', 'n firing, m firing');
      at('40s').tells('ops', 'p firing');
    }));

  it('groupBy [] is one group for the route', () =>
    scenario(route('groupBy: []'), ({ at }) => {
      at('0s')
        .fires('a', { rule: 'x' })
        .fires('b', { rule: 'y', labels: { site: 'paris' } });
      at('30s').tells('ops', 'a firing, b firing');
    }));

  it('groupBy level: an alert that rises goes on in the group of its level, and is still one alert', () =>
    scenario(route('groupBy: [level]'), ({ at, leavesNothing }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing, b firing');
      at('10m').rises('a').tells('ops', 'a warning→critical');
      at('20m').resolves('a').tells('ops', 'a resolved critical');
      at('30m').resolves('b');
      at('30m30s').tells('ops', 'b resolved');
      leavesNothing();
    }));

  it('some resolved: with the next groupInterval; all resolved: after groupWait', () =>
    scenario(SITE, ({ at, leavesNothing }) => {
      at('0s').fires('a', berlin).fires('b', berlin).fires('c', berlin);
      at('30s').tells('ops', 'a firing, b firing, c firing');
      at('1m').resolves('a');
      at('2m').resolves('b');
      at('5m30s').tells('ops', 'a resolved, b resolved');
      at('6m').resolves('c');
      at('6m30s').tells('ops', 'c resolved');
      leavesNothing();
    }));

  it('sendResolved: false tells of the end only when all is over', () =>
    scenario(route('groupBy: [labels.site], sendResolved: false'), ({ at, leavesNothing }) => {
      at('0s').fires('a', berlin).fires('b', berlin);
      at('30s').tells('ops', 'a firing, b firing');
      at('10m').resolves('a');
      at('1h').fires('c', berlin);
      at('1h30s').tells('ops', 'c firing');
      at('2h').resolves('b', 'c');
      at('2h30s').tells('ops', 'a resolved, b resolved, c resolved');
      leavesNothing();
    }));

  it('newly firing in a group that was told is told after groupWait, with what else is new', () =>
    scenario(SITE, ({ at }) => {
      at('0s').fires('a', berlin).fires('b', berlin);
      at('30s').tells('ops', 'a firing, b firing');
      at('1m').resolves('a').fires('c', berlin);
      at('90s').tells('ops', 'c firing, a resolved');
    }));

  it('all over, and it fires again within the groupWait of the end: both are told', () =>
    scenario(ONE, ({ at, leavesNothing }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m').resolves('a');
      at('10m10s').fires('a2', { device: 'a' });
      at('10m30s').tells('ops', 'a2 firing, a resolved');
      at('20m').resolves('a2');
      at('20m30s').tells('ops', 'a2 resolved');
      leavesNothing();
    }));
});

describe('reminders', () => {
  it('come every repeatInterval while it fires', () =>
    scenario(ONE, ({ at, leavesNothing }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('4h30s').tells('ops', 'reminder: a still');
      at('8h30s').tells('ops', 'reminder: a still');
      at('9h').resolves('a');
      at('9h30s').tells('ops', 'a resolved');
      leavesNothing();
    }));

  it('count from the last message of the group, and are never with repeatInterval: off', () =>
    scenario(route('repeatInterval: 1h, groupBy: []'), ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('50m').fires('b');
      at('50m30s').tells('ops', 'b firing');
      at('110m30s').tells('ops', 'reminder: a still, b still');
      at('111m').reloads(route('repeatInterval: off, groupBy: []'));
      at('12h').flags('a', []);
    }));
});

describe('routes', () => {
  const BOTH = `
contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}
routes:
  - {match: {labels.team: it}, to: [ops], continue: true, repeatInterval: 1h}
  - {match: {labels.team: it}, to: [ops, night], groupBy: [labels.team], groupWait: 1m, repeatInterval: 1h}
default: {to: [night]}`;
  const it_ = { labels: { team: 'it' } };

  it('two that lead to one contact tell them once, of the beginning, the end, and in reminders', () =>
    scenario(BOTH, ({ at, leavesNothing }) => {
      at('0s').fires('a', it_);
      at('30s').tells('ops', 'a firing');
      at('1m').tells('night', 'a firing');
      at('1h30s').tells('ops', 'reminder: a still');
      at('1h1m').tells('night', 'reminder: a still');
      at('90m').resolves('a');
      at('90m30s').tells('ops', 'a resolved');
      at('91m').tells('night', 'a resolved');
      leavesNothing();
    }));

  it('two that remind at the same instant remind once', () =>
    scenario(BOTH.replace('groupWait: 1m', 'groupWait: 30s'), ({ at }) => {
      at('0s').fires('a', it_);
      at('30s').tells('ops', 'a firing').tells('night', 'a firing');
      at('1h30s').tells('ops', 'reminder: a still').tells('night', 'reminder: a still');
    }));

  it('the first that matches decides, the default is for the rest', () =>
    scenario(TWO, ({ at }) => {
      at('0s').fires('a').fires('b', { level: 'critical' }).tells('night', 'b firing critical');
      at('30s').tells('ops', 'a firing');
    }));

  it('a change of level leads to other contacts: those who were told hear of it and of the end', () =>
    scenario(TWO, ({ at, because, leavesNothing }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m').rises('a').tells('night', 'a firing critical').tells('ops', 'a warning→critical');
      at('20m').resolves('a').tells('night', 'a resolved critical').tells('ops', 'a resolved critical');
      because('a', /resolved: told to ops/);
      leavesNothing();
    }));

  it('and back: who heard of the critical one hears that it is less, and of the end', () =>
    scenario(TWO, ({ at, leavesNothing }) => {
      at('0s').fires('a', { level: 'critical' }).tells('night', 'a firing critical');
      at('10m').falls('a');
      at('10m30s').tells('ops', 'a firing').tells('night', 'a critical→warning');
      at('20m').resolves('a');
      at('20m30s').tells('ops', 'a resolved').tells('night', 'a resolved');
      leavesNothing();
    }));

  it('of those who hear of it only because they were told, nobody is reminded', () =>
    scenario(TWO, ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m').rises('a').tells('night', 'a firing critical').tells('ops', 'a warning→critical');
      at('4h10m').tells('night', 'reminder: a still critical');
    }));
});
