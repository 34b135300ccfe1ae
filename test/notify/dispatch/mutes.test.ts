/** What holds alerts back, and the one summary at the end: inhibitions, silences. Nothing is lost by having been muted. */
import { describe, it } from 'vitest';
import { scenario } from './scenario.ts';

const OPS = 'contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}';
const PLAIN = `${OPS}\ndefault: {to: [ops]}`;
const inhibited = (...inhibitions: string[]): string => `${PLAIN}\ninhibitions: [${inhibitions.join(', ')}]`;
const hot = { rule: 'hot' };

describe('inhibition', () => {
  const GATEWAY = inhibited('{source: {rule: gateway}, target: {rule: hot}, equal: [labels.site]}');
  const berlin = { labels: { site: 'berlin' } };

  it('mutes while a source fires, and tells once what fires still and what came and went', () =>
    scenario(GATEWAY, ({ at, because, leavesNothing }) => {
      at('0s')
        .fires('g', { ...berlin, rule: 'gateway', level: 'critical' })
        .tells('ops', 'g firing critical');
      at('10s')
        .fires('a', berlin)
        .fires('b', berlin)
        .fires('p', { labels: { site: 'paris' } });
      at('11s').flags('a', ['inhibited']).flags('p', []);
      at('40s').tells('ops', 'p firing');
      at('5m').resolves('b');
      at('20m').resolves('g').tells('ops', 'g resolved critical');
      at('20m30s').tells('ops', 'end of inhibition gateway on g: a firing, b ended');
      at('30m').resolves('a', 'p');
      at('30m30s').tells('ops', 'a resolved').tells('ops', 'p resolved');
      because('a', /held back: the inhibition by gateway on g; its end tells of it/);
      because('b', /the inhibition by gateway on g has ended: told in its summary/);
      leavesNothing();
    }));

  it('a target that fired first and waits to be told is muted too', () =>
    scenario(GATEWAY, ({ at }) => {
      at('0s').fires('a', berlin);
      at('20s').fires('g', { ...berlin, rule: 'gateway' });
      at('50s').tells('ops', 'g firing');
    }));

  it('a label that both lack is equal, one that only one lacks is not', () =>
    scenario(GATEWAY, ({ at }) => {
      at('0s').fires('g', { rule: 'gateway' }).fires('a').fires('b', berlin);
      at('30s').tells('ops', 'g firing').tells('ops', 'b firing');
    }));

  it('an alert that is both does not inhibit itself, nor two such alerts each other', () =>
    scenario(inhibited('{source: {rule: hot}, target: {rule: hot}}'), ({ at }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing').tells('ops', 'b firing');
    }));

  it('two that would mute each other by two inhibitions are both told', () =>
    scenario(inhibited('{source: {rule: x}, target: {rule: y}}', '{source: {rule: y}, target: {rule: x}}'), ({ at }) => {
      at('0s').fires('x', { rule: 'x' }).fires('y', { rule: 'y' });
      at('30s').tells('ops', 'x firing').tells('ops', 'y firing');
    }));

  it('a source that falls into the target’s level mutes the other no longer', () =>
    scenario(inhibited('{source: {rule: [x, y]}, target: {level: warning}}'), ({ at }) => {
      at('0s').fires('x', { rule: 'x', level: 'critical' }).tells('ops', 'x firing critical');
      at('10s').fires('y', { rule: 'y' });
      at('10m').falls('x');
      at('10m30s').tells('ops', 'x critical→warning').tells('ops', 'end of inhibition x on x: y firing');
    }));

  it('what is muted itself inhibits still: a chain tells its first', () =>
    scenario(inhibited('{source: {rule: x}, target: {rule: y}}', '{source: {rule: y}, target: {rule: z}}'), ({ at }) => {
      at('0s').fires('z', { rule: 'z' }).fires('y', { rule: 'y' }).fires('x', { rule: 'x' });
      at('30s').tells('ops', 'x firing');
      at('10m').resolves('y');
      at('10m30s').tells('ops', 'end of inhibition y on y: z firing');
      at('20m').resolves('x');
      at('20m30s').tells('ops', 'x resolved').tells('ops', 'end of inhibition x on x: y ended');
    }));

  it('one of two sources is enough', () =>
    scenario(inhibited('{source: {rule: x}, target: {rule: hot}}'), ({ at }) => {
      at('0s').fires('x1', { rule: 'x' }).fires('x2', { rule: 'x' }).fires('a');
      at('30s').tells('ops', 'x1 firing').tells('ops', 'x2 firing');
      at('10m').resolves('x1');
      at('10m30s').tells('ops', 'x1 resolved');
      at('20m').resolves('x2');
      at('20m30s')
        .tells('ops', 'x2 resolved')
        .tells('ops', /^end of inhibition x on x1: a firing/);
    }));

  it('a rise that mutes another one: who was told of that hears of its end in the summary', () =>
    scenario(inhibited('{source: {level: critical}, target: {level: warning}}'), ({ at, leavesNothing }) => {
      at('0s').fires('a').fires('b');
      at('30s').tells('ops', 'a firing').tells('ops', 'b firing');
      at('10m').rises('a').tells('ops', 'a warning→critical').resolves('b');
      at('20m').resolves('a').tells('ops', 'a resolved critical');
      at('20m30s').tells('ops', 'end of inhibition hot on a: b resolved');
      leavesNothing();
    }));
});

describe('silences', () => {
  it('mute what they match, and only that', () =>
    scenario(PLAIN, ({ at, because }) => {
      at('0s').silences('s', { match: { 'labels.site': 'berlin' }, for: '1h', comment: 'works' });
      at('10s')
        .fires('a', { labels: { site: 'berlin' }, level: 'critical' })
        .fires('b')
        .flags('a', ['silenced']);
      at('40s').tells('ops', 'b firing');
      at('1h').tells('ops', 'end of silence works: a firing critical');
      because('a', /held back: the silence of ben \(works\); its end tells of it/);
    }));

  it('at their end one summary tells what fires still, what changed, and what came and went, however many', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('old').fires('gone').fires('up');
      at('30s').tells('ops', 'old firing').tells('ops', 'gone firing').tells('ops', 'up firing');
      at('1m').silences('s', { match: hot, for: '1h' });
      at('2m').fires('new').resolves('gone').rises('up');
      for (let round = 0; round < 4; round++)
        at(`${3 + round}m`)
          .fires(`r${round}`)
          .resolves(`r${round}`);
      at('61m').tells(
        'ops',
        'end of silence s: up warning→critical, old still, new firing, gone resolved, r0 ended, r1 ended, r2 ended, r3 ended',
      );
      at('2h').resolves('old', 'new', 'up').tells('ops', 'up resolved critical');
      at('2h30s').tells('ops', 'old resolved').tells('ops', 'new resolved');
      leavesNothing();
    }));

  it('a thousand and more that came and went are one message, the oldest only counted', () =>
    scenario(`${PLAIN}\nstorm: off`, ({ at, leavesNothing }) => {
      at('0s').silences('s', { match: hot, for: '1h' });
      for (let index = 0; index < 1100; index++)
        at(`${1 + index}s`)
          .fires(`a${index}`)
          .resolves(`a${index}`);
      at('1h30s').tells('ops', 'end of silence s: 500 ended, 600 more');
      leavesNothing();
    }));

  it('that match nothing in the end tell nothing', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').silences('s', { match: hot, for: '10m' });
      at('20m').flags('a', []);
      leavesNothing();
    }));

  it('tell nothing of what was over before they began, and of which nobody had been told', () =>
    scenario(PLAIN, ({ at, because, leavesNothing }) => {
      at('0s').fires('a');
      at('10s').resolves('a');
      at('20s').silences('s', { match: hot, for: '10m' });
      because('a', /resolved: nobody had been told of it/);
      leavesNothing();
    }));

  it('begin in the future', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').silences('s', { match: hot, start: '10m', for: '1h' }).fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m').fires('b').flags('a', ['silenced']);
      at('70m30s').tells('ops', 'end of silence s: a still, b firing');
    }));

  it('are extended', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').silences('s', { match: hot, for: '1h' }).fires('a');
      at('50m').silences('s', { match: hot, for: '1h' });
      at('1h50m30s').tells('ops', 'end of silence s: a firing');
    }));

  it('are ended early: the summary follows groupWait, not a full interval', () =>
    scenario(PLAIN, ({ at, because }) => {
      at('0s').silences('s', { match: hot, for: '1h' }).fires('a');
      at('10m').endsSilence('s');
      at('10m30s').tells('ops', 'end of silence s: a firing');
      because('a', /told in its summary/);
    }));

  it('what rises while the summary waits is told at once, with the rest', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').silences('s', { match: hot, for: '10m' }).fires('a').fires('b');
      at('10m10s').rises('a').tells('ops', 'end of silence s: a firing critical, b firing');
    }));

  it('until resolved: to the end of all that it matches', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('a').fires('b');
      at('10s').silences('s', { match: hot, for: 'resolved' });
      at('10m').resolves('a');
      at('20m').resolves('b');
      at('20m30s').tells('ops', 'end of silence s: a ended, b ended');
      at('30m').fires('c');
      at('30m30s').tells('ops', 'c firing');
      at('31m').resolves('c');
      at('31m30s').tells('ops', 'c resolved');
      leavesNothing();
    }));

  it('until resolved: an alert that rises beyond it and ends there leaves no silence behind', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').fires('a');
      at('10s').silences('s', { match: { level: 'warning' }, for: 'resolved' });
      at('10m').rises('a').tells('ops', 'end of silence s: a firing critical');
      at('20m').resolves('a').tells('ops', 'a resolved critical');
      at('30m').fires('b').flags('b', []);
      at('30m30s').tells('ops', 'b firing');
    }));

  it('until resolved: an end in a backlog is one, and what fires before the summary of that is told', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('a');
      at('10s').silences('s', { match: hot, for: 'resolved' });
      at('1h').becomesLate('a').resolves('a');
      at('1h1s').fires('b').flags('b', []);
      at('1h2s').backlogEnds('a', ['a']).tells('ops', 'backlog of a: a ended');
      at('1h31s').tells('ops', 'b firing');
      at('2h').resolves('b');
      at('2h30s').tells('ops', 'b resolved');
      leavesNothing();
    }));

  it('until resolved needs something that fires', () =>
    scenario(PLAIN, ({ at }) => {
      const match = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
      const silence = { id: 's', match, by: 'ben', comment: '', startsAt: 0, endsAt: null };
      at('0s').isRefused({ kind: 'silence', silence }, /nothing that it matches fires/);
      at('0s').isRefused({ kind: 'end-silence', silence: 's', by: 'ben' }, /there is no silence s/);
    }));

  it('that come and go put off nothing that the rest of the group waits to tell', () =>
    scenario(`${OPS}\ndefault: {to: [ops], groupBy: [rule]}`, ({ at }) => {
      at('0s').fires('a').fires('b').fires('c');
      at('30s').tells('ops', 'a firing, b firing, c firing');
      at('1m').resolves('a');
      at('2m').silences('s', { match: { device: 'c' }, for: '1m' });
      at('3m30s').tells('ops', 'end of silence s: c still');
      at('3m40s').silences('t', { match: { device: 'c' }, for: '1m' });
      at('5m10s').tells('ops', 'end of silence t: c still');
      at('5m30s').tells('ops', 'a resolved');
    }));

  it('two: the end of the last one tells', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s')
        .silences('s', { match: hot, for: '10m' })
        .silences('t', { match: { device: 'a' }, for: '20m' })
        .fires('a')
        .fires('b');
      at('10m30s').tells('ops', 'end of silence s: b firing');
      at('20m30s').tells('ops', 'end of silence t: a firing');
    }));

  it('in a silence the groups by level change, its summary counts from its beginning', () =>
    scenario(`${OPS}\ndefault: {to: [ops], groupBy: [level]}`, ({ at, because, never }) => {
      at('0s').silences('s', { match: hot, for: '1h' }).fires('a');
      at('10m').rises('a');
      at('1h').tells('ops', 'end of silence s: a firing critical');
      because('a', /held back/);
      never('a', /held back.*\n(?:.*\n)*.*held back/);
    }));

  it('do not let a digest tell of what they mute', () =>
    scenario(`${PLAIN}\nlimits: {perHour: 1}`, ({ at }) => {
      at('0s').fires('x', { rule: 'x' }).fires('a');
      at('30s').tells('ops', 'a firing');
      at('10m').silences('s', { match: { rule: 'x' }, for: '2h' });
      at('2h10m30s').tells('ops', 'end of silence s: x firing');
    }));

  it('mute reminders too', () =>
    scenario(PLAIN, ({ at }) => {
      at('0s').fires('a');
      at('30s').tells('ops', 'a firing');
      at('3h').silences('s', { match: hot, for: '6h' });
      at('9h30s').tells('ops', 'end of silence s: a still');
      at('13h30s').tells('ops', 'reminder: a still');
    }));
});
