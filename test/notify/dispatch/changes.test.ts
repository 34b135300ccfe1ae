/** What changes underneath: reloads, rules that are gone, restarts, a clock that steps back. */
import { describe, it } from 'vitest';
import { scenario } from './scenario.ts';

const OPS = 'contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}';
const PLAIN = `${OPS}\ndefault: {to: [ops]}`;

describe('a reload', () => {
  it('that changes nothing is silent, in the middle of every wait', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').fires('a');
      at('10s').reloads(PLAIN);
      at('30s').tells('ops', 'a firing');
      at('1m')
        .silences('s', { match: { rule: 'x' }, for: '10m' })
        .fires('x', { rule: 'x' });
      at('2m').reloads(PLAIN);
      at('3m').noData('a').reloads(PLAIN);
      at('5m30s').tells('ops', 'a no-data');
      at('11m30s').tells('ops', 'end of silence s: x firing');
    }));

  it('of routes tells who is to be told and was not; who was told hears of the end', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m').reloads(`${OPS}\ndefault: {to: [night]}`);
      at('10m30s').tells('night', 'a firing');
      at('20m').resolves('a');
      at('20m30s').tells('ops', 'a resolved').tells('night', 'a resolved');
      leavesNothing();
    }));

  it('of a wait holds for the summary at the end of a mute too', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s')
        .silences('s', { match: { rule: 'hot' }, for: '10m' })
        .fires('a');
      at('10m10s').reloads(`${OPS}\ndefault: {to: [ops], groupWait: 5s}`);
      at('10m15s').tells('ops', 'end of silence s: a firing');
      at('20m').resolves('a');
      at('20m5s').tells('ops', 'a resolved');
      leavesNothing();
    }));

  it('that puts a route before others leaves them as they are', () =>
    scenario(`${OPS}\nroutes: [{match: {rule: hot}, to: [ops]}]\ndefault: {to: [night]}`, ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m').reloads(`${OPS}\nroutes: [{match: {rule: x}, to: [night]}, {match: {rule: hot}, to: [ops]}]\ndefault: {to: [night]}`);
      at('4h30s').tells('ops', 'reminder: a still');
    }));

  it('moves an alert that waits to be told to its new route: only that one tells', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').fires('a');
      at('10s').reloads(`${OPS}\ndefault: {to: [night]}`);
      at('30s').tells('night', 'a firing');
    }));

  it('with another inhibition unmutes, and mutes', () =>
    scenario(`${PLAIN}\ninhibitions: [{source: {rule: x}, target: {rule: hot}}]`, ({ at }) => {
      at('0s').fires('x', { rule: 'x' }).fires('a').fires('y', { rule: 'y' });
      at('30s').tells('ops', 'x firing').tells('ops', 'y firing');
      at('10m').reloads(`${PLAIN}\ninhibitions: [{source: {rule: x}, target: {rule: y}}]`);
      at('10m30s').tells('ops', /^end of inhibition x on x: a firing/);
      at('20m').resolves('x');
      at('20m30s').tells('ops', 'x resolved').tells('ops', 'end of inhibition x on x: y still');
    }));

  it('with other groups tells of what is over and waited for the rest of its group', () =>
    scenario(`${OPS}\ndefault: {to: [ops], groupBy: [rule], sendResolved: false}`, ({ at, leavesNothing }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing, b firing');
      at('10m').resolves('a');
      at('20m').reloads(PLAIN);
      at('20m30s').tells('ops', 'a resolved');
      at('30m').resolves('b');
      at('30m30s').tells('ops', 'b resolved');
      leavesNothing();
    }));

  it('without the contact that was told tells nobody of the end, and forgets the alert', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing').tells('ops', 'b firing');
      at('10m').silences('s', { match: { device: 'b' }, for: '1h' });
      at('11m').resolves('b');
      at('20m').reloads('{contacts: {}, default: {to: []}}');
      at('30m').resolves('a');
      leavesNothing();
    }));

  it('without the route of a storm: its alerts go on in their groups', () =>
    scenario(
      `${OPS}\nroutes: [{match: {rule: hot}, to: [ops]}]\nstorm: {after: 2, in: 1m}\ndefault: {to: [night]}`,
      ({ at, leavesNothing }) => {
        for (const id of ['a', 'b', 'c']) at('0s').fires(id);
        at('30s').tells('ops', 'storm begun, 3 of 3 fire, 3 of rule hot: a firing, b firing, c firing');
        at('10m').reloads(`${OPS}\ndefault: {to: [ops]}`);
        at('20m').resolves('a', 'b', 'c');
        for (const id of ['a', 'b', 'c']) at('20m30s').tells('ops', `${id} resolved`);
        leavesNothing();
      },
    ));

  it('with an escalation counts for what was told from the reload on', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('5m').reloads(`${PLAIN}\nescalations: [{match: {}, steps: [{after: 10m, to: [night]}]}]`);
      at('15m').tells('night', 'step 1 of 1: a firing');
    }));

  it('that takes an escalation away, and brings it back: it counts anew', () => {
    const escalating = `${PLAIN}\nescalations: [{match: {}, steps: [{after: 10m, to: [night]}]}]`;
    scenario(escalating, ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('5m').reloads(PLAIN);
      at('20m').reloads(escalating);
      at('30m').tells('night', 'step 1 of 1: a firing');
    });
  });

  it('that turns flapping off tells the true state', () =>
    scenario(
      PLAIN,
      ({ at }) => {
        for (let round = 0; round < 3; round++) {
          at(`${round * 2}m`).fires(`a${round}`, { device: 'a' });
          at(`${round * 2}m30s`).tells('ops', `a${round} firing`);
          at(`${round * 2 + 1}m`).resolves(`a${round}`);
          at(`${round * 2 + 1}m30s`).tells('ops', `a${round} resolved`);
        }
        at('6m').fires('z', { device: 'a' });
        at('6m30s').tells('ops', 'z flapping');
        at('7m').reloads(PLAIN, {});
        at('7m30s').tells('ops', 'z calm');
      },
      { flapping: { hot: { changes: 6, inMs: 30 * 60_000 } } },
    ));
});

describe('a rule or device that is gone', () => {
  it('closes its alerts, and whoever was told hears of it', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing').tells('ops', 'b firing');
      at('10m').isRemoved('a').isRemoved('b');
      at('10m30s').tells('ops', 'a resolved').tells('ops', 'b resolved');
      leavesNothing();
    }));
});

describe('a clock that steps back', () => {
  it('is waited for: what comes with an earlier time counts from the latest one', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('10m').fires('a');
      at('1m').fires('b', { level: 'critical' });
      at('10m').tells('ops', 'b firing critical');
      at('2m').fires('c');
      at('10m30s').tells('ops', 'a firing').tells('ops', 'c firing');
      at('1h').resolves('a');
      at('30m').resolves('b', 'c');
      at('1h').tells('ops', 'b resolved critical');
      at('1h30s').tells('ops', 'a resolved').tells('ops', 'c resolved');
      leavesNothing();
    }));
});
