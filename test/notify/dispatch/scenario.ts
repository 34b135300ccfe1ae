/**
 * A scenario: notify.yaml as a user writes it, what happens when, and every message that comes of it. In the manner of
 * Alertmanager's acceptance tests, on a virtual clock:
 *
 *     scenario(NOTIFY, ({ at, between }) => {
 *       at('0s').fires('a');
 *       between('30s', '31s').tells('night', 'a firing');
 *     });
 *
 * What is not expected must not be told: each message needs its cause. Each scenario runs twice, the second time with a restart
 * after every step and every timer: messages, their ids and order, and the reasons on the alerts are the same.
 */
import { expect } from 'vitest';
import type { AlertFlag, Level } from '../../../src/domain/alert.ts';
import type { Operation, OperationResult } from '../../../src/domain/operation.ts';
import { nextBoundary } from '../../../src/notify/calendar.ts';
import { formatDurationMs } from '../../../src/std/quantity.ts';
import { matchOf, type Setting, type Some, textOf, World } from './world.ts';

/** How long after the last step nothing else may be told. */
const QUIET_US = 600_000_000;
/** Every timer of what is over has come to its end by then. */
const LONG_US = 30 * 86_400_000_000;

interface Step {
  readonly at: number;
  readonly apply: (world: World) => void;
}
interface Expected {
  readonly from: number;
  readonly to: number;
  readonly contact: string;
  readonly text: string | RegExp;
}

export interface Silencing {
  readonly match: unknown;
  /** How long, from its start; `resolved`: until resolved. */
  readonly for: string;
  /** Later than now. */
  readonly start?: string;
  readonly comment?: string;
}

/** What happens at a time, and what is to be seen then. */
export interface Moment {
  fires(id: string, some?: Some): Moment;
  /** Fires in a backlog. */
  firedLate(id: string, some?: Some): Moment;
  /** What comes next of it is in a backlog. */
  becomesLate(id: string): Moment;
  rises(id: string, to?: Level): Moment;
  falls(id: string, to?: Level): Moment;
  resolves(...ids: string[]): Moment;
  /** Its rule or device is gone. */
  isRemoved(id: string): Moment;
  noData(id: string, isRaised?: boolean): Moment;
  /** The backlog of a device ends, with these alerts in it. */
  backlogEnds(device: string, ids: readonly string[], more?: number): Moment;
  pends(id: string): Moment;
  cancels(id: string): Moment;
  acknowledges(id: string, until?: string): Moment;
  unacknowledges(id: string): Moment;
  comments(id: string, comment: string): Moment;
  silences(id: string, silencing: Silencing): Moment;
  endsSilence(id: string): Moment;
  /** It is refused, for that reason. */
  isRefused(operation: Operation, why: RegExp): Moment;
  reloads(notify: string, flapping?: Setting['flapping']): Moment;
  restarts(): Moment;
  tells(contact: string, text: string | RegExp): Moment;
  /** Alertings' own flags aside. */
  flags(id: string, flags: readonly AlertFlag[]): Moment;
}

export interface Script {
  readonly at: (time: string) => Moment;
  readonly between: (from: string, to: string) => Pick<Moment, 'tells'>;
  /** A reason that stands on the alert in the end. */
  readonly because: (id: string, why: RegExp) => void;
  /** No reason like that. */
  readonly never: (id: string, why: RegExp) => void;
  /** Nothing is remembered of alerts in the end, and only schedules are followed. */
  readonly leavesNothing: () => void;
}

export function scenario(notify: string, play: (script: Script) => void, setting: Omit<Setting, 'notify'> = {}): void {
  const plain = run({ ...setting, notify }, play, false);
  const restless = run({ ...setting, notify }, play, true);
  expect(restless.messages, 'with restarts everywhere').toEqual(plain.messages);
  expect(restless.notes, 'with restarts everywhere').toEqual(plain.notes);
  const ids = plain.messages.map(({ id }) => id);
  expect(new Set(ids).size, 'each message has an id of its own').toBe(ids.length);
}

function run(setting: Setting, play: (script: Script) => void, isRestless: boolean): World {
  const world = new World(setting, isRestless);
  const steps: Step[] = [];
  const expected: Expected[] = [];
  const last: ((world: World) => void)[] = [];
  play(scriptOf(world, { setting, steps, expected, last }));
  // What happens at one time happens in the order of the script: a clock that steps back is in it as it stands.
  for (const { at, apply } of steps) {
    world.advance(at - 1);
    apply(world);
  }
  world.advance(Math.max(...steps.map(({ at }) => at), ...expected.map(({ to }) => to)) + QUIET_US);
  compare(world, expected);
  for (const check of last) check(world);
  return world;
}

function scriptOf(world: World, into: { setting: Setting; steps: Step[]; expected: Expected[]; last: ((world: World) => void)[] }): Script {
  const { setting, steps, expected, last } = into;
  const notesOf = ({ notes }: World, id: string): string => notes.flatMap((note) => (note.alert === id ? [note.detail] : [])).join('\n');
  return {
    at: (time) => momentOf(world, world.timeOf(time), { setting, steps, expected }),
    between: (from, to) => {
      const span = { from: world.timeOf(from), to: world.timeOf(to) };
      return {
        tells: (contact, text) => {
          expected.push({ ...span, contact, text });
          return momentOf(world, span.to, into);
        },
      };
    },
    because: (id, why) => {
      last.push((end) => expect(notesOf(end, id), `the reasons on ${id}`).toMatch(why));
    },
    never: (id, why) => {
      last.push((end) => expect(notesOf(end, id), `the reasons on ${id}`).not.toMatch(why));
    },
    leavesNothing: () => {
      last.push((end) => {
        const before = end.messages.length;
        end.advance(end.timeOf('0s') + LONG_US);
        expect(end.messages.slice(before), 'told long after').toEqual([]);
        for (const kind of ['alert', 'group', 'mute', 'summary', 'storm'] as const) expect(end.rowsOf(kind), kind).toEqual([]);
        const { now, nextDue, policy } = end.dispatcher;
        const boundaries = [...policy.schedules.values()].map((schedule) => nextBoundary(schedule, now));
        expect(nextDue, 'the next timer').toBe(Math.min(...boundaries));
      });
    },
  };
}

function momentOf(world: World, at: number, into: { setting: Setting; steps: Step[]; expected: Expected[] }): Moment {
  const step = (apply: Step['apply']): Moment => {
    into.steps.push({ at, apply });
    return moment;
  };
  const operates = (operation: Operation, see: (result: OperationResult) => void = accepted): Moment =>
    step((now) => see(now.operate(operation, at)));
  const becomes = (...args: [kind: Parameters<World['becomes']>[0], id: string, change?: Parameters<World['becomes']>[3]]): Moment =>
    step((now) => now.becomes(args[0], args[1], at, args[2]));
  const over = { state: 'resolved', resolvedAt: at } as const;
  const moment: Moment = {
    fires: (id, some) => becomes('firing', id, { ...some, state: 'firing' }),
    firedLate: (id, some) => becomes('firing', id, { ...some, state: 'firing', flags: ['retrospective'] }),
    becomesLate: (id) => becomes('no-data', id, { flags: ['retrospective'] }),
    rises: (id, level = 'critical') => becomes('level', id, { level }),
    falls: (id, level = 'warning') => becomes('level', id, { level }),
    resolves: (...ids) => {
      for (const id of ids) becomes('resolved', id, over);
      return moment;
    },
    isRemoved: (id) => becomes('resolved', id, { ...over, reason: 'removed' }),
    noData: (id, isRaised = true) => becomes('no-data', id, { flags: isRaised ? ['no-data'] : [] }),
    backlogEnds: (device, ids, more = 0) => step((now) => now.backlog(device, at, { ids, more })),
    pends: (id) => becomes('pending', id, { state: 'pending', firedAt: null }),
    cancels: (id) => becomes('cancelled', id, over),
    acknowledges: (alert, until) =>
      operates({ kind: 'acknowledge', alert, by: 'anna', comment: null, until: until === undefined ? null : world.timeOf(until) }),
    unacknowledges: (alert) => operates({ kind: 'unacknowledge', alert, by: 'anna' }),
    comments: (alert, comment) => operates({ kind: 'comment', alert, by: 'anna', comment }),
    silences: (id, silencing) => operates({ kind: 'silence', silence: silenceOf(world, id, { ...silencing, at }) }),
    endsSilence: (silence) => operates({ kind: 'end-silence', silence, by: 'ben' }),
    isRefused: (operation, why) =>
      operates(operation, (result) => expect(result, 'refused').toMatchObject({ done: false, problem: expect.stringMatching(why) })),
    reloads: (notify, flapping = into.setting.flapping) =>
      step((now) => now.reload({ notify, ...(flapping !== undefined && { flapping }) }, at)),
    restarts: () => step((now) => now.restart()),
    tells: (contact, text) => {
      into.expected.push({ from: at, to: at, contact, text });
      return moment;
    },
    flags: (id, flags) =>
      step((now) => {
        now.advance(at);
        expect(now.flagsOf(id), `flags of ${id}`).toEqual(flags);
      }),
  };
  return moment;
}

function accepted(result: OperationResult): void {
  expect(result).toEqual({ done: true });
}

function silenceOf(world: World, id: string, { match, start, comment = id, at, ...of }: Silencing & { at: number }) {
  const startsAt = start === undefined ? at : world.timeOf(start);
  const endsAt = of.for === 'resolved' ? null : startsAt + world.timeOf(of.for) - world.timeOf('0s');
  return { id, match: matchOf(match), by: 'ben', comment, startsAt, endsAt };
}

/** Line by line, so that a difference shows what was told when, and what was not. */
function compare(world: World, expected: readonly Expected[]): void {
  const timeText = (time: number): string => (world.secondsOf(time) === 0 ? '0s' : formatDurationMs(world.secondsOf(time) * 1000));
  const open = [...expected];
  const told = world.messages.map(({ at, contact, content }) => {
    const text = textOf(content);
    const index = open.findIndex(
      (each) =>
        each.contact === contact &&
        each.from <= at &&
        at <= each.to &&
        (typeof each.text === 'string' ? each.text === text : each.text.test(text)),
    );
    const line = `${timeText(at)} ${contact}: ${text}`;
    if (index < 0) return { line, isExpected: false };
    open.splice(index, 1);
    return { line, isExpected: true };
  });
  const missing = open.map(
    ({ from, to, contact, text }) => `${timeText(from)}${from === to ? '' : `–${timeText(to)}`} ${contact}: ${String(text)}`,
  );
  const unexpected = told.flatMap(({ line, isExpected }) => (isExpected ? [] : [line]));
  if (missing.length + unexpected.length === 0) return;
  const all = told.map(({ line, isExpected }) => `${isExpected ? '  ' : '+ '}${line}`);
  const notes = world.notes.map(({ at, alert, detail }) => `    ${timeText(at)} ${alert}: ${detail}`).slice(-40);
  expect.fail(
    ['told (+ not expected):', ...all, 'expected, and not told:', ...missing.map((line) => `- ${line}`), 'reasons:', ...notes].join('\n'),
  );
}
