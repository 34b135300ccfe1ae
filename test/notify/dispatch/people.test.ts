/** What people do about alerts, and who else is told while nobody does: acknowledgements, escalation, on-call rotations. */
import { describe, it } from 'vitest';
import { scenario } from './scenario.ts';

const ESCALATING = (more = ''): string => `
contacts:
  ops: {email: ops@x.org}
  boss: {email: boss@x.org}
  anna: {email: anna@x.org}
  ben: {email: ben@x.org}
  on-call: {rotation: {zone: UTC, start: 2026-01-04, handover: "12:15", every: 1d, of: [anna, ben]}}
  desk: {onCall: [{schedule: office, to: anna}]}
schedules: [{id: office, zone: UTC, windows: [{days: mon-fri, from: "08:00", to: "12:05"}]}]
default: {to: [ops]}
escalations: [{match: {rule: hot}, steps: [{after: 10m, to: [boss]}, {after: 20m, to: [on-call]}]${more}}]`;
const PLAIN = '{contacts: {ops: {email: ops@x.org}}, default: {to: [ops]}}';

describe('acknowledge', () => {
  it('stops reminders, not the end', () =>
    scenario(PLAIN, ({ at, because, leavesNothing }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('1m').acknowledges('a').flags('a', ['acknowledged']);
      at('9h').resolves('a');
      at('9h30s').tells('ops', 'a resolved');
      because('a', /acknowledged by anna\n/);
      leavesNothing();
    }));

  it('up to its end: then it is reminded of at once, and every repeatInterval from then on', () =>
    scenario(PLAIN, ({ at, because }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('1m').acknowledges('a', '2h');
      at('2h').tells('ops', 'reminder: a still').flags('a', []);
      at('6h').tells('ops', 'reminder: a still');
      because('a', /acknowledged by anna until 2026-01-05 14:00 UTC\nacknowledgement of anna has expired\nreminder: told to ops/);
    }));

  it('taken back is as expired, however lately it was reminded of', () =>
    scenario(PLAIN, ({ at, because }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('4h30s').tells('ops', 'reminder: a still');
      at('4h1m').acknowledges('a');
      at('4h2m').unacknowledges('a').tells('ops', 'reminder: a still');
      because('a', /acknowledgement taken back by anna/);
    }));

  it('a higher level than the acknowledged one notifies again, and is not acknowledged', () =>
    scenario(PLAIN, ({ at, because }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('1m').acknowledges('a');
      at('2m').rises('a').tells('ops', 'a warning→critical').flags('a', []);
      at('4h2m').tells('ops', 'reminder: a still critical');
      because('a', /critical is more than anna has acknowledged \(warning\)/);
    }));

  it('what falls and comes back up to the acknowledged level is acknowledged still', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').fires('a', { level: 'critical' }).tells('ops', 'a firing critical');
      at('1m').acknowledges('a');
      at('2m').falls('a');
      at('5m').tells('ops', 'a critical→warning');
      at('6m').rises('a').tells('ops', 'a warning→critical').flags('a', ['acknowledged']);
      at('5h').flags('a', ['acknowledged']);
    }));

  it('of one alert of a group: the others are reminded of', () =>
    scenario('{contacts: {ops: {email: o@x.org}}, default: {to: [ops], groupBy: []}}', ({ at }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing, b firing');
      at('1m').acknowledges('a');
      at('4h30s').tells('ops', 'reminder: b still');
    }));

  it('what does not fire cannot be acknowledged', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').isRefused({ kind: 'acknowledge', alert: 'a', by: 'anna', comment: null, until: null }, /the alert a does not fire/);
    }));

  it('a comment stands on the alert, and tells nobody', () =>
    scenario(PLAIN, ({ at, because }) => {
      at('0s').fires('a');
      at('10s').comments('a', 'the door was open').resolves('a');
      because('a', /anna: the door was open/);
    }));
});

describe('escalation', () => {
  it('step by step from when it was told, to whom is on call by then, until it is over', () =>
    scenario(ESCALATING(), ({ at, leavesNothing }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m30s').tells('boss', 'step 1 of 2: a firing');
      // The hand-over was five minutes ago.
      at('20m30s').tells('ben', 'step 2 of 2: a firing');
      at('1h').resolves('a');
      at('1h30s').tells('ops', 'a resolved').tells('boss', 'a resolved').tells('ben', 'a resolved');
      leavesNothing();
    }));

  it('stops at an acknowledgement, and counts anew when that has expired', () =>
    scenario(ESCALATING(), ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('5m').acknowledges('a', '30m');
      at('30m').tells('ops', 'reminder: a still');
      at('40m').tells('boss', 'step 1 of 2: a firing');
      at('45m').acknowledges('a');
    }));

  it('counts anew from a higher level', () =>
    scenario(ESCALATING(), ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('5m').rises('a').tells('ops', 'a warning→critical');
      at('15m').tells('boss', 'step 1 of 2: a firing critical');
      at('20m').acknowledges('a');
    }));

  it('goes on after a fall: only an acknowledgement or the end stops it', () =>
    scenario(ESCALATING().replace('{rule: hot}', '{level: critical}'), ({ at }) => {
      at('0s').fires('a', { level: 'critical' }).tells('ops', 'a firing critical');
      at('5m').falls('a');
      at('5m30s').tells('ops', 'a critical→warning');
      at('10m').tells('boss', 'step 1 of 2: a firing');
      at('15m').acknowledges('a');
    }));

  it('loops, counting from the last step', () =>
    scenario(ESCALATING(', loop: true'), ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m30s').tells('boss', 'step 1 of 2: a firing');
      at('20m30s').tells('ben', 'step 2 of 2: a firing');
      at('30m30s').tells('boss', 'step 1 of 2: a still');
      at('40m30s').tells('ben', 'step 2 of 2: a still');
      at('45m').acknowledges('a');
    }));

  it('nobody on call at a step: the alert says so', () =>
    scenario(ESCALATING().replace('[boss]', '[desk]'), ({ at, because }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('20m30s').tells('ben', 'step 2 of 2: a firing');
      because('a', /step 1 of its escalation: nobody is on call/);
    }));

  it('of what nobody is told of counts from its firing', () =>
    scenario(ESCALATING().replace('default: {to: [ops]}', 'default: {to: [], groupWait: 1s}'), ({ at }) => {
      at('0s').fires('a');
      at('10m1s').tells('boss', 'step 1 of 2: a firing');
      at('15m').acknowledges('a');
    }));

  it('the alerts of a group are escalated in one message', () =>
    scenario(ESCALATING().replace('to: [ops]', 'to: [ops], groupBy: []'), ({ at }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing, b firing');
      at('10m30s').tells('boss', 'step 1 of 2: a firing, b firing');
      at('15m').acknowledges('a').acknowledges('b');
    }));

  it('the alerts of a storm are escalated in one message a step', () =>
    scenario(`${ESCALATING()}\nstorm: {after: 2, in: 1m}`, ({ at }) => {
      for (const id of ['a', 'b', 'c', 'd']) at('0s').fires(id);
      at('30s').tells('ops', /^storm begun, 4 of 4 fire/);
      at('10m30s').tells('boss', 'step 1 of 2: a firing, b firing, c firing, d firing');
      at('20m30s').tells('ben', 'step 2 of 2: a firing, b firing, c firing, d firing');
    }));

  it('is held back while the alert is silenced, and goes on after its end', () =>
    scenario(ESCALATING(), ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('5m').silences('s', { match: { rule: 'hot' }, for: '25m' });
      at('30m30s').tells('ops', 'end of silence s: a still');
      between30(at);
      at('35m').acknowledges('a');
    }));

  it('begins with the end of the mute in which the acknowledgement has expired', () =>
    scenario(ESCALATING(), ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('1m').acknowledges('a', '20m');
      at('5m').silences('s', { match: { rule: 'hot' }, for: '1h' });
      at('1h5m30s').tells('ops', 'end of silence s: a still');
      at('1h15m30s').tells('boss', 'step 1 of 2: a firing');
      at('1h16m').acknowledges('a');
    }));

  it('to a contact that was told at the same instant tells it once', () =>
    scenario(ESCALATING().replace('after: 10m, to: [boss]', 'after: 4h, to: [ops]').replace('after: 20m', 'after: 5h'), ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('4h30s').tells('ops', 'reminder: a still');
      at('4h40m').acknowledges('a');
    }));
});

/** Both steps are past by the end of the silence. */
function between30(at: (time: string) => { tells(contact: string, text: string): unknown }): void {
  at('30m30s').tells('boss', 'step 1 of 2: a firing');
  at('30m30s').tells('ben', 'step 2 of 2: a firing');
}
