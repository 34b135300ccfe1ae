/** Whatever happens: random scripts of alerts, people, silences, reloads and clocks, and what holds of all of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Level } from '../../../src/domain/alert.ts';
import { isFiring } from '../../../src/notify/content.ts';
import type { NewMessage } from '../../../src/notify/dispatch/dispatch-state.ts';
import { matchOf, type Setting, textOf, World } from './world.ts';

const SEED = 20260105;
const RUNS = 100;
const DAY_US = 86_400_000_000;

const BASE = `
contacts:
  ops: {email: ops@x.org}
  night: {email: night@x.org}
  boss: {email: boss@x.org}
  on-call: {rotation: {zone: UTC, start: 2026-01-04, handover: "12:30", every: 1d, of: [ops, boss]}}
schedules: [{id: quiet, zone: UTC, windows: [{from: "13:00", to: "14:00"}]}]`;
/** Each another corner of what can be configured. */
const NOTIFIES = [
  `${BASE}
default: {to: [ops]}`,
  `${BASE}
routes: [{match: {level: critical}, to: [night]}, {match: {rule: x}, to: [ops, night], groupBy: [labels.site], sendResolved: false}]
default: {to: [ops], muted: quiet}
storm: {after: 3, in: 2m}`,
  `${BASE}
routes:
  - {match: {rule: [x, y]}, to: [ops], continue: true, repeatInterval: 1h}
  - {match: {rule: x}, to: [ops, night], groupBy: [level], continue: true, muted: quiet}
  - {match: {labels.site: b}, to: [on-call], groupBy: [], groupInterval: 1m}
default: {to: [boss], active: quiet}
inhibitions: [{source: {rule: x}, target: {rule: y}, equal: [labels.site]}, {source: {level: critical}, target: {level: [warning, critical]}}]
limits: {perHour: 4}
storm: off`,
  `${BASE}
routes: [{match: {rule: x}, to: [on-call], groupBy: [labels.site]}]
default: {to: [night], repeatInterval: 30m}
inhibitions: [{source: {rule: x}, target: {rule: y}}, {source: {rule: y}, target: {rule: x}}]
escalations: [{match: {}, steps: [{after: 5m, to: [boss]}, {after: 15m, to: [on-call]}], loop: true}]
limits: {perHour: 6}
storm: {after: 4, in: 1m}`,
];
const FLAPPING = { x: { changes: 2, inMs: 20 * 60_000 } };

type Act =
  | { readonly kind: 'fire' | 'rise' | 'fall' | 'resolve' | 'no-data' | 'acknowledge' | 'unacknowledge' | 'late'; readonly of: number }
  | { readonly kind: 'silence'; readonly of: number; readonly minutes: number }
  | { readonly kind: 'end-silence' | 'restart' | 'backlog'; readonly of: number }
  | { readonly kind: 'reload'; readonly of: number };
interface Move {
  readonly act: Act;
  readonly waitS: number;
}

const kinds = ['fire', 'rise', 'fall', 'resolve', 'no-data', 'acknowledge', 'unacknowledge', 'late', 'end-silence', 'backlog'] as const;
const of = fc.oneof(fc.nat({ max: 7 }), fc.constantFrom(0, 0, 3));
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constantFrom(...kinds), of }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('fire' as const, 'resolve' as const), of }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('silence' as const), of, minutes: fc.nat({ max: 40 }) }) },
);
const reload: fc.Arbitrary<Act> = fc.record({ kind: fc.constant('reload' as const), of: fc.nat({ max: NOTIFIES.length - 1 }) });
const waits = fc.oneof(fc.constantFrom(0, 0, 1, 29, 30, 31, 60, 300), fc.nat({ max: 900 }), fc.integer({ min: -60, max: 4000 }));
const moves = (withReload: boolean): fc.Arbitrary<Move[]> =>
  fc.array(
    fc.record({ act: withReload ? fc.oneof({ weight: 15, arbitrary: act }, { weight: 1, arbitrary: reload }) : act, waitS: waits }),
    {
      minLength: 1,
      maxLength: 60,
    },
  );
const first = fc.nat({ max: NOTIFIES.length - 1 });

/** Eight instances: rules x and y, sites a and b. Each has one alert at a time. */
class Player {
  readonly world: World;
  readonly #open = new Map<number, string>();
  readonly #late = new Map<number, string[]>();
  #count = 0;
  #silences = 0;
  #notify: string;
  now: number;

  constructor(notify: string, isRestless: boolean) {
    this.#notify = notify;
    this.world = new World(this.#setting(), isRestless);
    this.now = this.world.timeOf('30m');
  }

  #setting(): Setting {
    return { notify: this.#notify, flapping: FLAPPING };
  }

  play(all: readonly Move[]): void {
    for (const { act: next, waitS } of all) {
      this.now += waitS * 1_000_000;
      this.world.advance(this.now - 1);
      this.#do(next);
    }
    // All comes to an end, and every mute and timer with it.
    this.now += 3_600_000_000;
    this.world.advance(this.now - 1);
    for (const number of [...this.#open.keys()]) this.#do({ kind: 'resolve', of: number });
    for (const number of [...this.#late.keys()]) this.#do({ kind: 'backlog', of: number });
    this.world.advance(this.now + 2 * DAY_US);
  }

  #do(next: Act): void {
    const { world, now } = this;
    const id = this.#open.get(next.of);
    switch (next.kind) {
      case 'fire':
      case 'late':
        if (id === undefined) this.#fire(next.of, next.kind === 'late');
        return;
      case 'rise':
        if (id !== undefined && world.alert(id).level !== 'critical') world.becomes('level', id, now, { level: 'critical' });
        return;
      case 'fall':
        if (id !== undefined && world.alert(id).level === 'critical') world.becomes('level', id, now, { level: 'warning' });
        return;
      case 'no-data':
        if (id !== undefined && !this.#late.has(next.of)) this.#noData(id);
        return;
      case 'resolve':
        if (id !== undefined) world.becomes('resolved', id, now, { state: 'resolved', resolvedAt: now });
        this.#open.delete(next.of);
        return;
      case 'backlog':
        this.#endBacklog(next.of);
        return;
      case 'acknowledge':
        if (id !== undefined) world.operate({ kind: 'acknowledge', alert: id, by: 'x', comment: null, until: now + 1_200_000_000 }, now);
        return;
      case 'unacknowledge':
        if (id !== undefined) world.operate({ kind: 'unacknowledge', alert: id, by: 'x' }, now);
        return;
      case 'silence':
        this.#silence(next.of, next.minutes);
        return;
      case 'end-silence':
        world.operate({ kind: 'end-silence', silence: `s${this.#silences}`, by: 'x' }, now);
        return;
      case 'reload':
        this.#notify = NOTIFIES[next.of] ?? BASE;
        world.reload(this.#setting(), now);
        return;
      case 'restart':
        world.restart();
    }
  }

  #fire(number: number, isLate: boolean): void {
    const id = `i${number}-${this.#count++}`;
    const level: Level = number % 4 === 3 ? 'critical' : 'warning';
    const rule = number % 2 === 0 ? 'x' : 'y';
    const some = { rule, device: `d${number}`, level, labels: number < 4 ? { site: number < 2 ? 'a' : 'b' } : {} };
    const late = this.#late.get(number);
    this.world.becomes('firing', id, this.now, { ...some, state: 'firing', flags: isLate || late !== undefined ? ['retrospective'] : [] });
    this.#open.set(number, id);
    if (isLate || late !== undefined) this.#late.set(number, [...(late ?? []), id]);
  }

  #noData(id: string): void {
    const isRaised = this.world.alert(id).flags.includes('no-data');
    this.world.becomes('no-data', id, this.now, { flags: isRaised ? [] : ['no-data'] });
  }

  #endBacklog(number: number): void {
    const ids = this.#late.get(number);
    this.#late.delete(number);
    if (ids !== undefined) this.world.backlog(`d${number}`, this.now, { ids });
  }

  #silence(number: number, minutes: number): void {
    this.#silences += 1;
    const match = matchOf(number < 2 ? { rule: 'x' } : number < 4 ? { level: 'warning' } : number < 6 ? { 'labels.site': 'b' } : {});
    const times = { startsAt: this.now + (number % 2) * 300_000_000, endsAt: minutes < 8 ? null : this.now + minutes * 120_000_000 };
    this.world.operate({ kind: 'silence', silence: { id: `s${this.#silences}`, match, by: 'x', comment: '', ...times } }, this.now);
  }
}

function played(notify: number, script: readonly Move[], isRestless = false): World {
  const player = new Player(NOTIFIES[notify] ?? BASE, isRestless);
  player.play(script);
  return player.world;
}

const line = ({ contact, content }: NewMessage): string => `${contact}: ${textOf(content)}`;
const check = (property: fc.IProperty<[number, Move[]]>): void => fc.assert(property, { seed: SEED, numRuns: RUNS });

describe(`whatever happens (seed ${SEED})`, () => {
  it('a restart anywhere changes nothing', () =>
    check(
      fc.property(first, moves(true), (notify, script) => {
        const plain = played(notify, script);
        const restless = played(notify, script, true);
        expect(restless.messages).toEqual(plain.messages);
        expect(restless.notes).toEqual(plain.notes);
      }),
    ));

  it('every message has an id of its own', () =>
    check(
      fc.property(first, moves(true), (notify, script) => {
        const { messages } = played(notify, script);
        expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
      }),
    ));

  it('nobody is told the same of an alert twice in a row, but for what says that it fires still', () =>
    check(
      fc.property(first, moves(true), (notify, script) => {
        const last = new Map<string, string>();
        for (const message of played(notify, script).messages) {
          for (const { alert, news } of message.content.items) {
            const key = `${message.contact} ${alert.id}`;
            const told = `${news} ${alert.level} ${alert.flags.includes('no-data')}`;
            if (news !== 'still') expect(last.get(key), `${line(message)}`).not.toBe(told);
            last.set(key, told);
          }
        }
      }),
    ));

  it('who was told that an alert fires is told that it is over, whoever of its instance told so', () =>
    check(
      fc.property(first, moves(false), (notify, script) => {
        const { messages, alerts } = played(notify, script);
        const firing = new Map<string, string>();
        for (const message of messages) {
          for (const { alert } of message.content.items) {
            // Of what flaps, the end is told with the instance's last alert.
            const { rule, device } = alerts.get(alert.id) ?? alert;
            const key = `${message.contact} ${rule} ${device}`;
            if (isFiring(alert)) firing.set(key, `${alert.id} in ${line(message)}`);
            else firing.delete(key);
          }
        }
        expect([...firing]).toEqual([]);
      }),
    ));

  it('nothing is left when all is over', () =>
    check(
      fc.property(first, moves(true), (notify, script) => {
        const world = played(notify, script);
        for (const kind of ['alert', 'group', 'mute', 'summary', 'storm', 'flap'] as const) expect(world.rowsOf(kind), kind).toEqual([]);
        expect(world.dispatcher.nextDue, 'the next timer is a schedule’s').toBeGreaterThan(world.dispatcher.now);
      }),
    ));

  it('an alert that fired was told to somebody, or says why not', () =>
    check(
      fc.property(first, moves(true), (notify, script) => {
        const { messages, notes, alerts } = played(notify, script);
        const told = new Set(messages.flatMap(({ content }) => content.items.map(({ alert }) => alert.id)));
        const why = /nobody|not told|only counted/;
        const reasons = new Set(notes.flatMap(({ alert, detail }) => (why.test(detail) ? [alert] : [])));
        for (const id of alerts.keys()) expect(told.has(id) || reasons.has(id), id).toBe(true);
      }),
    ));
});
