/** Too much at once, and too often: storms, limits, flapping, backlogs. */
import { describe, expect, it } from 'vitest';
import { type Moment, scenario } from './scenario.ts';
import { World } from './world.ts';

const OPS = 'contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}';
const PLAIN = `${OPS}\ndefault: {to: [ops]}`;
type At = (time: string) => Moment;
const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `a${String(index + from).padStart(4, '0')}`);

describe('a storm', () => {
  const burst = (at: At, count: number): void => {
    for (const [index, id] of numbered(count).entries())
      at(`${Math.floor((index * 60_000) / count)}ms`).fires(id, {
        rule: `r${index % 5}`,
        labels: { gateway: index % 10 === 9 ? 'gw-2' : 'gw-1', site: `s${index % 3}` },
      });
  };

  it('of 400 alerts within a minute is one incident by the label that explains most, updated once a groupInterval, and its end', () =>
    scenario(PLAIN, ({ at, between, because, leavesNothing }) => {
      burst(at, 400);
      between('30s', '34s').tells('ops', /^storm begun, \d+ of \d+ fire, \d+ of gateway gw-1: \d+ firing$/);
      between('5m30s', '5m40s').tells('ops', /^storm goes-on, 400 of 400 fire, 360 of gateway gw-1: \d+ firing$/);
      at('20m').resolves(...numbered(200));
      at('20m30s').tells('ops', 'storm goes-on, 200 of 400 fire, 360 of gateway gw-1: 200 resolved');
      at('22m').resolves(...numbered(100, 200));
      at('25m30s').tells('ops', /^storm goes-on, 100 of 400 fire, .*: 100 resolved$/);
      at('26m').resolves(...numbered(100, 300));
      at('26m30s').tells('ops', /^storm over, 0 of 400 fire, .*: 100 resolved$/);
      because('a0000', /one of many alerts at once, told as one incident/);
      leavesNothing();
    }));

  it('of critical ones: those before it is one are told at once, then it is one incident', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      for (const [index, id] of numbered(30).entries()) at(`${index}s`).fires(id, { level: 'critical' });
      for (const [index, id] of numbered(20).entries()) at(`${index}s`).tells('ops', `${id} firing critical`);
      at('20s').tells('ops', 'storm begun, 21 of 21 fire, 21 of rule hot: a0020 firing critical');
      at('5m20s').tells('ops', 'storm goes-on, 30 of 30 fire, 30 of rule hot: 9 firing');
      at('10m')
        .resolves(...numbered(30))
        .tells('ops', 'storm over, 0 of 30 fire, 30 of rule hot: 30 resolved');
      leavesNothing();
    }));

  it('rises at once: a critical one in a storm of warnings does not wait', () =>
    scenario(PLAIN, ({ at, between }) => {
      burst(at, 40);
      between('30s', '62s').tells('ops', /^storm begun/);
      at('2m')
        .rises('a0007')
        .tells('ops', /^storm goes-on, 40 of 40 fire, 36 of gateway gw-1: (?:a0007 warning→critical|.*1 level.*)/);
    }));

  it('takes in no more when fewer come: what is new is told by its own group', () =>
    scenario(PLAIN, ({ at, between, leavesNothing }) => {
      burst(at, 40);
      between('30s', '62s').tells('ops', /^storm begun/);
      between('5m30s', '6m').tells('ops', /^storm goes-on, 40 of 40 fire/);
      at('10m').fires('later');
      at('10m30s').tells('ops', 'later firing');
      at('20m').resolves(...numbered(40));
      at('20m30s').tells('ops', /^storm over/);
      at('21m').resolves('later');
      at('21m30s').tells('ops', 'later resolved');
      leavesNothing();
    }));

  it('that begins while its first alerts wait does not make them wait longer', () =>
    scenario(`${PLAIN}\nstorm: {after: 2, in: 1m}`, ({ at }) => {
      at('0s').fires('a');
      at('28s').fires('b').fires('c');
      at('30s').tells('ops', 'storm begun, 3 of 3 fire, 3 of rule hot: a firing, b firing, c firing');
    }));

  it('is of one route: others tell as ever; with off there is none', () => {
    const routed = `${OPS}\nroutes: [{match: {rule: x}, to: [night]}]\ndefault: {to: [ops]}\nstorm: {after: 2, in: 1m}`;
    const play = (at: At): void => {
      for (const id of ['a', 'b', 'c']) at('0s').fires(id);
      at('0s').fires('x', { rule: 'x' });
      at('30s').tells('night', 'x firing');
    };
    scenario(routed, ({ at }) => {
      play(at);
      at('30s').tells('ops', 'storm begun, 3 of 3 fire, 3 of rule hot: a firing, b firing, c firing');
    });
    scenario(routed.replace('{after: 2, in: 1m}', 'off'), ({ at }) => {
      play(at);
      for (const id of ['a', 'b', 'c']) at('30s').tells('ops', `${id} firing`);
    });
  });

  it('whose alerts are all silenced is over; the end of the silence tells of them', () =>
    scenario(`${PLAIN}\nstorm: {after: 2, in: 1m}`, ({ at, leavesNothing }) => {
      for (const id of ['a', 'b', 'c']) at('0s').fires(id);
      at('30s').tells('ops', /^storm begun/);
      at('1m').silences('s', { match: { rule: 'hot' }, for: '1h' });
      at('30m').resolves('a');
      at('61m30s').tells('ops', 'end of silence s: b still, c still, a resolved');
      at('2h').resolves('b', 'c');
      at('2h30s').tells('ops', 'b resolved').tells('ops', 'c resolved');
      leavesNothing();
    }));

  it('is reminded of, without what is acknowledged', () =>
    scenario(`${PLAIN}\nstorm: {after: 2, in: 1m}`, ({ at }) => {
      for (const id of ['a', 'b', 'c']) at('0s').fires(id);
      at('30s').tells('ops', /^storm begun/);
      at('1m').acknowledges('b');
      at('4h30s').tells('ops', 'storm goes-on, 3 of 3 fire, 3 of rule hot: a still, c still');
    }));

  it('of 10,000 alerts in a minute costs two messages, and two for their end', () => {
    const world = new World({ notify: PLAIN }, false);
    const ids = numbered(10_000);
    for (const [index, id] of ids.entries()) world.becomes('firing', id, world.timeOf(`${index * 6}ms`), { state: 'firing' });
    world.advance(world.timeOf('10m'));
    expect(world.messages).toHaveLength(2);
    for (const [index, id] of ids.entries()) world.becomes('resolved', id, world.timeOf('10m') + index * 6000, { state: 'resolved' });
    world.advance(world.timeOf('30m'));
    expect(world.messages.length).toBeLessThanOrEqual(4);
    expect(world.rowsOf('alert')).toEqual([]);
    expect(world.rowsOf('storm')).toEqual([]);
  });
});

describe('limits', () => {
  const LIMITED = `${OPS}\ndefault: {to: [ops], repeatInterval: off}\nlimits: {perHour: 3}\nstorm: off`;

  it('hold back what is beyond them; the digest says how many, and what of it fires still', () =>
    scenario(LIMITED, ({ at, because, leavesNothing }) => {
      for (const [index, id] of numbered(6).entries()) at(`${index}m`).fires(id);
      for (const [index, id] of numbered(3).entries()) at(`${index}m30s`).tells('ops', `${id} firing`);
      at('10m').resolves('a0004');
      at('1h30s').tells('ops', 'digest of 3: a0003 firing, a0005 firing, a0004 ended');
      at('3h').resolves(...numbered(3));
      for (const id of numbered(3)) at('3h30s').tells('ops', `${id} resolved`);
      at('5h').resolves('a0003', 'a0005');
      at('5h30s').tells('ops', 'a0003 resolved').tells('ops', 'a0005 resolved');
      because('a0003', /firing: held back for ops, who had 3 messages within the hour\ndigest: told to ops/);
      leavesNothing();
    }));

  it('never hold back what is critical, nor what becomes it', () =>
    scenario(LIMITED, ({ at }) => {
      for (const id of ['a', 'b', 'c', 'd']) at('0s').fires(id, { level: 'critical' }).tells('ops', `${id} firing critical`);
      at('1m').fires('w');
      at('5m').rises('w').tells('ops', 'w firing critical');
    }));

  it('are of one contact', () =>
    scenario(LIMITED.replace('to: [ops]', 'to: [ops, night]').replace('perHour: 3', 'perHour: 1'), ({ at }) => {
      at('0s').fires('a', { level: 'critical' }).tells('ops', 'a firing critical').tells('night', 'a firing critical');
      at('1m').fires('b');
      at('1h').tells('ops', 'digest of 1: b firing').tells('night', 'digest of 1: b firing');
    }));

  it('what they hold back of one route is in the digest, though another one that names the contact is muted', () => {
    const notify = `${OPS}
routes: [{match: {rule: hot}, to: [ops], continue: true, repeatInterval: off}, {match: {}, to: [ops], active: evening}]
default: {to: []}
schedules: [{id: evening, zone: UTC, windows: [{from: "20:00", to: "22:00"}]}]
limits: {perHour: 3}`;
    scenario(notify, ({ at, leavesNothing }) => {
      for (const id of ['a', 'b', 'c']) at('0s').fires(id);
      for (const id of ['a', 'b', 'c']) at('30s').tells('ops', `${id} firing`);
      at('10m').resolves('a', 'b', 'c');
      at('1h30s').tells('ops', 'digest of 3: a resolved, b resolved, c resolved');
      leavesNothing();
    });
  });

  it('an escalation that they hold back is in the digest, though the contact’s own route is muted', () => {
    const notify = `${OPS}
routes: [{match: {rule: hot}, to: [ops], continue: true, repeatInterval: off}, {match: {}, to: [night], active: evening}]
default: {to: []}
schedules: [{id: evening, zone: UTC, windows: [{from: "20:00", to: "22:00"}]}]
escalations: [{match: {device: w}, steps: [{after: 10m, to: [night]}]}, {match: {device: x}, steps: [{after: 1m, to: [night]}]}]
limits: {perHour: 1}`;
    scenario(notify, ({ at, because }) => {
      at('0s').fires('x', { level: 'critical' }).tells('ops', 'x firing critical');
      at('1m').tells('night', 'step 1 of 1: x firing critical');
      at('1m').fires('w');
      at('61m').tells('night', 'digest of 1: w firing');
      at('1h').tells('ops', 'digest of 1: w firing');
      because('w', /escalation: held back for night, who had 1 messages within the hour/);
    });
  });

  it('60 an hour', () =>
    scenario(`${PLAIN}\nstorm: off`, ({ at }) => {
      for (const [index, id] of numbered(70).entries()) at(`${index}s`).fires(id);
      for (const [index, id] of numbered(60).entries()) at(`${index + 30}s`).tells('ops', `${id} firing`);
      at('1h30s').tells('ops', 'digest of 10: 10 firing');
    }));
});

describe('flapping', () => {
  const flapping = { hot: { changes: 6, inMs: 30 * 60_000 } };
  /** `a` comes and goes, a minute each: an alert each time. */
  const flap = (at: At, rounds: number): void => {
    for (let round = 0; round < rounds; round++) {
      at(`${round * 2}m`).fires(`a${round}`, { device: 'a' });
      at(`${round * 2 + 1}m`).resolves(`a${round}`);
    }
  };

  it('is told once, silent in between, and its end when it is over: a recovery is never swallowed', () =>
    scenario(
      PLAIN,
      ({ at, because, leavesNothing }) => {
        flap(at, 8);
        for (const round of [0, 1, 2]) {
          at(`${round * 2}m30s`).tells('ops', `a${round} firing`);
          at(`${round * 2 + 1}m30s`).tells('ops', `a${round} resolved`);
        }
        at('6m30s').tells('ops', 'a3 flapping');
        // The 13th change leaves the half hour at 43m: two are left. The groupWait is over at 43m30s.
        at('43m30s').tells('ops', 'a7 resolved');
        because('a3', /flapping: more than 6 changes within 1800 s; further ones are not told/);
        because('a5', /flapping: not told before it is calm/);
        because('a7', /calm: changes seldom enough again, and is over/);
        leavesNothing();
      },
      { flapping },
    ));

  it('that ends firing says so', () =>
    scenario(
      PLAIN,
      ({ at, leavesNothing }) => {
        flap(at, 3);
        for (const round of [0, 1, 2]) {
          at(`${round * 2}m30s`).tells('ops', `a${round} firing`);
          at(`${round * 2 + 1}m30s`).tells('ops', `a${round} resolved`);
        }
        at('6m').fires('a9', { device: 'a' });
        at('6m30s').tells('ops', 'a9 flapping');
        at('7m').flags('a9', ['flapping']);
        at('34m30s').tells('ops', 'a9 calm');
        at('35m').flags('a9', []);
        at('2h').resolves('a9');
        at('2h30s').tells('ops', 'a9 resolved');
        leavesNothing();
      },
      { flapping },
    ));

  it('counts changes of level as well', () =>
    scenario(
      PLAIN,
      ({ at, leavesNothing }) => {
        at('0s').fires('a', { level: 'critical' }).tells('ops', 'a firing critical');
        at('6m').falls('a');
        at('6m30s').tells('ops', 'a critical→warning');
        at('12m').rises('a').tells('ops', 'a warning→critical');
        at('18m').falls('a');
        at('18m30s').tells('ops', 'a critical→warning');
        at('19m').rises('a').tells('ops', 'a warning→critical');
        at('20m').falls('a');
        at('21m').rises('a').tells('ops', 'a flapping critical');
        at('22m').falls('a');
        at('23m').rises('a');
        at('51m').tells('ops', 'a calm critical');
        at('2h').resolves('a').tells('ops', 'a resolved critical');
        leavesNothing();
      },
      { flapping },
    ));

  it('no-data is no change of level', () =>
    scenario(
      PLAIN,
      ({ at }) => {
        at('0s').fires('a');
        at('30s').tells('ops', 'a firing');
        for (let minute = 1; minute < 10; minute++) at(`${minute}m`).noData('a', minute % 2 === 1);
        at('5m30s').tells('ops', 'a no-data');
      },
      { flapping },
    ));

  it('off: every change is told', () =>
    scenario(PLAIN, ({ at }) => {
      flap(at, 8);
      for (let round = 0; round < 8; round++) {
        at(`${round * 2}m30s`).tells('ops', `a${round} firing`);
        at(`${round * 2 + 1}m30s`).tells('ops', `a${round} resolved`);
      }
    }));

  it('what was over before it began is told as ever, or was never told', () =>
    scenario(
      `${OPS}\ndefault: {to: [ops], groupBy: [rule]}`,
      ({ at, leavesNothing }) => {
        at('0s').fires('z', { device: 'z' });
        at('30s').tells('ops', 'z firing');
        at('6m').fires('a0', { device: 'a' });
        at('6m30s').tells('ops', 'a0 firing');
        at('7m').resolves('a0');
        at('7m10s').fires('a1', { device: 'a' });
        at('7m20s').resolves('a1');
        at('7m30s').fires('a2', { device: 'a' });
        at('7m40s').resolves('a2');
        // The 7th change: the beginning of it is to be told of `a3` alone.
        at('7m50s').fires('a3', { device: 'a' });
        at('8m20s').tells('ops', 'a3 flapping, a0 resolved');
        at('20m').resolves('a3');
        at('37m50s').resolves('z');
        at('38m10s').tells('ops', 'z resolved, a3 resolved');
        leavesNothing();
      },
      { flapping },
    ));

  it('who was told of the end of the alert before does not know of this one', () =>
    scenario(
      `${OPS}\nroutes: [{match: {rule: x}, to: [night], groupWait: 0s}]\ndefault: {to: [ops, night]}\nlimits: {perHour: 3}`,
      ({ at }) => {
        for (const id of ['x', 'y', 'z']) at('0s').fires(id, { rule: 'x' }).tells('night', `${id} firing`);
        at('1m').fires('a0', { device: 'a' });
        at('1m30s').tells('ops', 'a0 firing');
        at('2m').resolves('a0');
        at('2m30s').tells('ops', 'a0 resolved');
        at('3m')
          .fires('a1', { device: 'a' })
          .silences('s', { match: { device: 'a' }, for: '2h' });
        at('4m').resolves('a1');
        for (const contact of ['night', 'ops']) at('2h3m30s').tells(contact, 'end of silence s: a1 ended');
      },
      { flapping: { hot: { changes: 2, inMs: 30 * 60_000 } } },
    ));

  it('of an instance that nobody was told of tells nobody', () =>
    scenario(
      PLAIN,
      ({ at, leavesNothing }) => {
        for (let second = 0; second < 14; second++) {
          at(`${second}s`).fires(`a${second}`, { device: 'a' });
          at(`${second}s`).resolves(`a${second}`);
        }
        leavesNothing();
      },
      { flapping },
    ));
});

describe('the backlog of a device', () => {
  it('is one message, and what fires on is an alert like any other', () =>
    scenario(PLAIN, ({ at, because, leavesNothing }) => {
      for (const id of ['a', 'b', 'c']) at('0s').firedLate(id, { device: 'd', rule: id });
      at('1s').resolves('b');
      at('1s').rises('c');
      at('2s').backlogEnds('d', ['a', 'b', 'c']).tells('ops', 'backlog of d: c firing critical, a firing, b ended');
      at('1h').resolves('a', 'c').tells('ops', 'c resolved critical');
      at('1h30s').tells('ops', 'a resolved');
      because('a', /retrospective: told in the summary at the end of the backlog/);
      leavesNothing();
    }));

  it('resolves what was told before, in its summary', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('a', { device: 'd' });
      at('30s').tells('ops', 'a firing');
      at('1h').firedLate('b', { device: 'd', rule: 'x' });
      at('1h').resolves('b', 'a');
      at('1h1s').backlogEnds('d', ['a', 'b']).tells('ops', 'backlog of d: a resolved, b ended');
      leavesNothing();
    }));

  it('that is silenced is told at the end of the silence', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').fires('a', { device: 'd' });
      at('1s').silences('s', { match: { device: 'd' }, for: '2h' });
      at('1h').becomesLate('a');
      at('1h').resolves('a');
      at('1h1s').backlogEnds('d', ['a']);
      at('2h31s').tells('ops', 'end of silence s: a ended');
      leavesNothing();
    }));

  it('is told once of what came and went in it, though a silence ends meanwhile', () =>
    scenario(PLAIN, ({ at, leavesNothing }) => {
      at('0s').firedLate('a', { device: 'd' }).resolves('a');
      at('1s').silences('s', { match: { device: 'd' }, for: '5m' });
      at('10m').backlogEnds('d', ['a']).tells('ops', 'backlog of d: a ended');
      leavesNothing();
    }));

  it('in which nothing fired tells nobody', () =>
    scenario(PLAIN, ({ at, because }) => {
      at('0s').backlogEnds('d', []);
      because('nothing', /summary of the backlog of d: nothing in it had fired, nobody is told/);
    }));
});
