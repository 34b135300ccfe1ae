import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Contact, OnCall, Schedule, ScheduleWindow } from '../../src/domain/notification.ts';
import { isWithin, nextBoundary, onCallAt } from '../../src/notify/calendar.ts';

const MINUTE_US = 60_000_000;
const MON_FRI = [1, 2, 3, 4, 5];
const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7];

const us = (iso: string): number => Date.parse(iso) * 1000;
const iso = (atUs: number): string => `${new Date(atUs / 1000).toISOString().slice(0, 16)}Z`;
const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
/** `22:00–06:00` */
function window(days: readonly number[], text: string): ScheduleWindow {
  return { days, fromMinute: minutesOf(text), toMinute: minutesOf(text.slice(6)) };
}
const scheduleOf = (zone: string, ...windows: ScheduleWindow[]): Schedule => ({ id: 's', zone, windows });

/** The spans in which a schedule holds, from boundary to boundary; every one of them is seen from its ends and its middle. */
function spans(schedule: Schedule, from: string, to: string): { from: number; to: number }[] {
  const result: { from: number; to: number }[] = [];
  for (let at = us(from); at < us(to); ) {
    const end = nextBoundary(schedule, at);
    expect(end).toBeGreaterThan(at);
    if (isWithin(schedule, at)) {
      result.push({ from: at, to: end });
      expect([isWithin(schedule, Math.floor((at + end) / 2)), isWithin(schedule, end - 1), isWithin(schedule, at - 1)]).toEqual([
        true,
        true,
        false,
      ]);
    }
    at = end;
  }
  return result;
}
const written = (schedule: Schedule, from: string, to: string): string[] =>
  spans(schedule, from, to).map((span) => `${iso(span.from)} – ${iso(span.to)}`);

describe('the day on which the clocks are changed', () => {
  interface Change {
    readonly zone: string;
    readonly sundays: readonly string[];
    /** Local window on that Sunday (`Sat` before it: on that Saturday), and when that is in UTC. */
    readonly spans: readonly [window: string, utc: string][];
  }
  const changes: readonly Change[] = [
    {
      zone: 'Europe/Berlin',
      sundays: ['2026-03-29', '2027-03-28'],
      spans: [
        ['Sat 22:00–06:00', 'Sat 21:00 – Sun 04:00'],
        ['Sun 02:30–05:00', 'Sun 01:00 – Sun 03:00'],
        ['Sun 01:00–02:30', 'Sun 00:00 – Sun 01:00'],
        ['Sun 02:10–02:50', ''],
        ['Sun 02:00–03:00', ''],
        ['Sun 00:00–24:00', 'Sat 23:00 – Sun 22:00'],
        ['Sat 02:30–02:30', 'Sat 01:30 – Sun 01:00'],
      ],
    },
    {
      zone: 'Europe/Berlin',
      sundays: ['2026-10-25', '2027-10-31'],
      spans: [
        ['Sat 22:00–06:00', 'Sat 20:00 – Sun 05:00'],
        ['Sun 02:30–05:00', 'Sun 00:30 – Sun 04:00'],
        ['Sun 01:00–02:30', 'Sat 23:00 – Sun 01:30'],
        ['Sun 02:10–02:50', 'Sun 00:10 – Sun 01:50'],
        ['Sun 01:00–02:00', 'Sat 23:00 – Sun 01:00'],
        ['Sun 01:00–03:00', 'Sat 23:00 – Sun 02:00'],
        ['Sun 00:00–24:00', 'Sat 22:00 – Sun 23:00'],
        ['Sat 02:30–02:30', 'Sat 00:30 – Sun 01:30'],
      ],
    },
    {
      zone: 'America/New_York',
      sundays: ['2026-03-08', '2027-03-14'],
      spans: [
        ['Sat 22:00–06:00', 'Sun 03:00 – Sun 10:00'],
        ['Sun 02:30–05:00', 'Sun 07:00 – Sun 09:00'],
        ['Sun 01:00–02:30', 'Sun 06:00 – Sun 07:00'],
        ['Sun 02:10–02:50', ''],
        ['Sun 00:00–24:00', 'Sun 05:00 – Mon 04:00'],
      ],
    },
    {
      zone: 'America/New_York',
      sundays: ['2026-11-01', '2027-11-07'],
      spans: [
        ['Sat 22:00–06:00', 'Sun 02:00 – Sun 11:00'],
        ['Sun 01:30–05:00', 'Sun 05:30 – Sun 10:00'],
        ['Sun 00:30–01:30', 'Sun 04:30 – Sun 06:30'],
        ['Sun 01:10–01:50', 'Sun 05:10 – Sun 06:50'],
        ['Sun 00:00–24:00', 'Sun 04:00 – Mon 05:00'],
      ],
    },
    {
      zone: 'Australia/Lord_Howe',
      sundays: ['2026-04-05', '2027-04-04'],
      spans: [
        ['Sat 22:00–06:00', 'Sat 11:00 – Sat 19:30'],
        ['Sun 01:45–05:00', 'Sat 14:45 – Sat 18:30'],
        ['Sun 01:00–01:45', 'Sat 14:00 – Sat 15:15'],
        ['Sun 01:35–01:55', 'Sat 14:35 – Sat 15:25'],
        ['Sun 00:00–24:00', 'Sat 13:00 – Sun 13:30'],
      ],
    },
    {
      zone: 'Australia/Lord_Howe',
      sundays: ['2026-10-04', '2027-10-03'],
      spans: [
        ['Sat 22:00–06:00', 'Sat 11:30 – Sat 19:00'],
        ['Sun 02:15–05:00', 'Sat 15:30 – Sat 18:00'],
        ['Sun 01:00–02:15', 'Sat 14:30 – Sat 15:30'],
        ['Sun 02:05–02:25', ''],
        ['Sun 00:00–24:00', 'Sat 13:30 – Sun 13:00'],
      ],
    },
  ];
  const cases = changes.flatMap(({ zone, sundays, spans: expected }) =>
    sundays.flatMap((sunday) => expected.map(([local, utc]) => ({ zone, sunday, local, utc }))),
  );

  const weekday = (atUs: number): string => {
    const [day, , , , time] = new Date(atUs / 1000).toUTCString().split(' ');
    return `${day?.slice(0, 3)} ${time?.slice(0, 5)}`;
  };

  it.each(cases)('$zone, $sunday: $local is $utc', ({ zone, sunday, local, utc }) => {
    const schedule = scheduleOf(zone, window([local.startsWith('Sat') ? 6 : 7], local.slice(4)));
    const from = us(`${sunday}T12:00Z`) - 2.5 * 86_400_000_000;
    // The middle of the week before to the middle of the week after.
    const found = spans(schedule, iso(from), iso(from + 5 * 86_400_000_000));
    expect(found.map((span) => `${weekday(span.from)} – ${weekday(span.to)}`)).toEqual(utc === '' ? [] : [utc]);
  });
});

describe('a schedule', () => {
  const cases: [name: string, schedule: Schedule, from: string, to: string, expected: string[]][] = [
    [
      'of week nights ends on the morning after, Saturday included',
      scheduleOf('Europe/Berlin', window(MON_FRI, '22:00–06:00')),
      '2026-01-08T12:00Z',
      '2026-01-13T12:00Z',
      ['2026-01-08T21:00Z – 2026-01-09T05:00Z', '2026-01-09T21:00Z – 2026-01-10T05:00Z', '2026-01-12T21:00Z – 2026-01-13T05:00Z'],
    ],
    [
      'of week nights and weekends is one span from Friday to Tuesday morning, where they overlap',
      scheduleOf('Europe/Berlin', window(MON_FRI, '22:00–06:00'), window([6, 7], '00:00–24:00')),
      '2026-01-09T12:00Z',
      '2026-01-13T12:00Z',
      ['2026-01-09T21:00Z – 2026-01-11T23:00Z', '2026-01-12T21:00Z – 2026-01-13T05:00Z'],
    ],
    [
      'joins windows that touch at midnight',
      scheduleOf('America/New_York', window([1], '20:00–24:00'), window([2], '00:00–04:00')),
      '2026-06-01T12:00Z',
      '2026-06-05T12:00Z',
      ['2026-06-02T00:00Z – 2026-06-02T08:00Z'],
    ],
    [
      'keeps windows apart that almost touch',
      scheduleOf('UTC', window([1], '20:00–23:59'), window([2], '00:00–04:00')),
      '2026-06-01T12:00Z',
      '2026-06-05T12:00Z',
      ['2026-06-01T20:00Z – 2026-06-01T23:59Z', '2026-06-02T00:00Z – 2026-06-02T04:00Z'],
    ],
    [
      'of equal times is 24 hours',
      scheduleOf('UTC', window([3], '08:00–08:00')),
      '2026-06-02T12:00Z',
      '2026-06-06T12:00Z',
      ['2026-06-03T08:00Z – 2026-06-04T08:00Z'],
    ],
    [
      'crosses the year',
      scheduleOf('Europe/Berlin', window([4], '22:00–06:00')),
      '2026-12-30T12:00Z',
      '2027-01-02T12:00Z',
      ['2026-12-31T21:00Z – 2027-01-01T05:00Z'],
    ],
    [
      'at +14 begins while it is the day before elsewhere',
      scheduleOf('Pacific/Kiritimati', window([1], '00:00–24:00')),
      '2026-06-06T00:00Z',
      '2026-06-10T00:00Z',
      ['2026-06-07T10:00Z – 2026-06-08T10:00Z'],
    ],
    [
      'at −11 ends while it is the day after elsewhere',
      scheduleOf('Pacific/Pago_Pago', window([1], '18:00–23:00')),
      '2026-06-06T00:00Z',
      '2026-06-11T00:00Z',
      ['2026-06-09T05:00Z – 2026-06-09T10:00Z'],
    ],
    [
      'of a midnight that does not exist begins at one o’clock (Santiago)',
      scheduleOf('America/Santiago', window([7], '00:00–02:00')),
      '2026-09-04T12:00Z',
      '2026-09-08T12:00Z',
      ['2026-09-06T04:00Z – 2026-09-06T05:00Z'],
    ],
    [
      'takes both midnights where there are two (Havana)',
      scheduleOf('America/Havana', window([6], '20:00–24:00')),
      '2026-10-30T12:00Z',
      '2026-11-03T12:00Z',
      ['2026-11-01T00:00Z – 2026-11-01T05:00Z'],
    ],
    [
      'of a day that a country left out is empty (Samoa crossed the date line)',
      scheduleOf('Pacific/Apia', window([5], '08:00–18:00')),
      '2011-12-28T12:00Z',
      '2012-01-03T12:00Z',
      [],
    ],
  ];
  it.each(cases)('%s', (_name, schedule, from, to, expected) => {
    expect(written(schedule, from, to)).toEqual(expected);
  });

  const never: [name: string, schedule: Schedule, holds: boolean][] = [
    ['without windows never holds', scheduleOf('UTC'), false],
    ['without days never holds', scheduleOf('UTC', window([], '08:00–18:00')), false],
    ['of all days always holds', scheduleOf('Europe/Berlin', window(EVERY_DAY, '00:00–24:00')), true],
    [
      'of days and nights always holds',
      scheduleOf('Europe/Berlin', window(EVERY_DAY, '06:00–22:00'), window(EVERY_DAY, '22:00–06:00')),
      true,
    ],
    ['of 24 hours from each morning on always holds', scheduleOf('Asia/Tokyo', window(EVERY_DAY, '08:00–08:00')), true],
  ];
  it.each(never)('%s, and has no boundary', (_name, schedule, holds) => {
    for (const at of ['1971-01-01T00:00Z', '2026-03-29T01:00Z', '2026-10-25T00:30Z', '2200-01-01T00:00Z']) {
      expect([isWithin(schedule, us(at)), nextBoundary(schedule, us(at))]).toEqual([holds, Infinity]);
    }
  });

  it('that leaves out one minute of the week has that boundary', () => {
    const schedule = scheduleOf('UTC', window([1, 2, 3, 4, 5, 6], '00:00–24:00'), window([7], '00:01–24:00'));
    expect(iso(nextBoundary(schedule, us('2026-06-08T00:00Z')))).toBe('2026-06-14T00:00Z');
    expect(iso(nextBoundary(schedule, us('2026-06-14T00:00Z')))).toBe('2026-06-14T00:01Z');
  });

  it('changes at the microsecond', () => {
    const schedule = scheduleOf('UTC', window([1], '08:00–18:00'));
    const [from, to] = [us('2026-06-01T08:00Z'), us('2026-06-01T18:00Z')];
    expect([from - 1, from, to - 1, to].map((at) => isWithin(schedule, at))).toEqual([false, true, true, false]);
    expect([nextBoundary(schedule, from - 1), nextBoundary(schedule, from), nextBoundary(schedule, to - 1)]).toEqual([from, to, to]);
  });

  it('answers a hundred thousand questions without asking the calendar each time', () => {
    const schedule = scheduleOf('Europe/Berlin', window(MON_FRI, '22:00–06:00'));
    const start = us('2026-03-28T00:00Z');
    const began = performance.now();
    for (let i = 0; i < 100_000; i++) isWithin(schedule, start + i * 1_000_000);
    // A conversion by the calendar takes some 20 µs: asked each time that were 2 s and more.
    expect(performance.now() - began).toBeLessThan(500);
  });
});

/** Local time by Intl, which knows nothing of Temporal: minutes on the local clock since 1970, as if that had no zone. */
function localMinutes(zone: string, from: number, count: number): number[] {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    ...({ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const),
  });
  return Array.from({ length: count }, (_, index) => {
    const numbers = (format.format((from + index * MINUTE_US) / 1000).match(/\d+/g) ?? []).map(Number);
    const [day = 0, month = 0, year = 0, hour = 0, minute = 0] = numbers;
    return Date.UTC(year, month - 1, day, hour, minute) / 60_000;
  });
}

/** Minute by minute: whether it lies between the first minute at or after a window's begin and the last one at its end. */
function heldMinutes(schedule: Schedule, local: readonly number[]): boolean[] {
  const held = local.map(() => false);
  const days = [...new Set(local.map((minute) => Math.floor(minute / 1440)))];
  for (const day of days) {
    const weekday = ((day + 3) % 7) + 1;
    for (const { days: of, fromMinute, toMinute } of schedule.windows) {
      if (!of.includes(weekday)) continue;
      const end = day * 1440 + toMinute + (toMinute <= fromMinute ? 1440 : 0);
      const first = local.findIndex((minute) => minute >= day * 1440 + fromMinute);
      const exact = local.lastIndexOf(end);
      const last = exact >= 0 ? exact : local.findIndex((minute) => minute > end);
      if (first >= 0) held.fill(true, first, Math.max(first, last >= 0 ? last : local.length));
    }
  }
  return held;
}

describe('compared with a clock that is read every minute', () => {
  const ZONES = [
    ...['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Kiritimati', 'Pacific/Pago_Pago', 'Asia/Kathmandu'],
    ...['America/Havana', 'America/St_Johns', 'America/Santiago', 'Africa/Casablanca', 'Africa/Cairo', 'Asia/Beirut'],
    ...['Pacific/Chatham', 'Antarctica/Troll', 'Europe/Dublin', 'Atlantic/Azores', 'UTC'],
  ];
  const DAY = 1440;
  /** Three days before, so that every window that reaches into what is looked at began in what is known; and one after. */
  const [BEFORE, LOOKED_AT, AFTER] = [3 * DAY, 4 * DAY, 2 * DAY];
  /** When clocks are changed in one of the zones, and any time. */
  const changes = ['2026-03-08', '2026-03-29', '2026-04-05', '2026-04-24', '2026-09-06', '2026-10-04', '2026-10-25', '2026-11-01'];
  const starts = fc.oneof(
    fc
      .tuple(fc.constantFrom(...changes), fc.integer({ min: -4 * DAY, max: 0 }))
      .map(([day, minutes]) => us(`${day}T00:00Z`) + minutes * MINUTE_US),
    fc.integer({ min: us('2015-01-01T00:00Z') / MINUTE_US, max: us('2036-01-01T00:00Z') / MINUTE_US }).map((minute) => minute * MINUTE_US),
  );
  const minute = fc.oneof(
    fc.integer({ min: 0, max: DAY - 1 }),
    fc.constantFrom(0, 15, 30, 60, 90, 105, 120, 135, 150, 180, 1380, 1410, 1439),
  );
  const windows = fc.array(
    fc.record({ days: fc.uniqueArray(fc.integer({ min: 1, max: 7 })), fromMinute: minute, toMinute: fc.oneof(minute, fc.constant(DAY)) }),
    { maxLength: 4 },
  );

  it('isWithin and nextBoundary say the same', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), windows, starts, (zone, of, start) => {
        const schedule = scheduleOf(zone, ...of);
        const local = localMinutes(zone, start - BEFORE * MINUTE_US, BEFORE + LOOKED_AT + AFTER);
        const held = heldMinutes(schedule, local).slice(BEFORE, BEFORE + LOOKED_AT);
        const changed = held.flatMap((now, index) => (index > 0 && now !== held[index - 1] ? [index] : []));
        // From a copy each time, so that the answer is no memory of another one; the first as it is asked in earnest.
        const asked = [...new Set([0, 1, LOOKED_AT - 1, ...changed.flatMap((index) => [index - 1, index, index + 1])])].filter(
          (at) => at < LOOKED_AT,
        );
        for (const index of asked) expect([index, isWithin({ ...schedule }, start + index * MINUTE_US)]).toEqual([index, held[index]]);
        const found: number[] = [];
        for (let at = start; ; ) {
          at = nextBoundary(schedule, at);
          if (at >= start + LOOKED_AT * MINUTE_US) break;
          found.push((at - start) / MINUTE_US);
        }
        expect(found).toEqual(changed);
        held.forEach((now, index) => {
          if (isWithin(schedule, start + index * MINUTE_US) !== now) throw new Error(`minute ${index}: expected ${now}`);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('gives the same answer whatever was asked before', () => {
    const schedule = scheduleOf('Europe/Berlin', window(MON_FRI, '22:00–06:00'), window([6], '02:30–02:45'));
    fc.assert(
      fc.property(fc.array(starts, { minLength: 2, maxLength: 20 }), (times) => {
        for (const at of times) {
          const fresh = { ...schedule };
          expect(isWithin(schedule, at)).toBe(isWithin(fresh, at));
          expect(nextBoundary(schedule, at)).toBe(nextBoundary(fresh, at));
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('on call', () => {
  const person = (id: string): Contact => ({ id, channels: [{ kind: 'email', address: `${id}@x.org` }], onCall: null });
  const standing = (id: string, onCall: OnCall): Contact => ({ id, channels: [], onCall });
  const rotation = (more: Partial<Extract<OnCall, { kind: 'rotation' }>> = {}): OnCall => ({
    ...{ kind: 'rotation', zone: 'Europe/Berlin', start: '2026-03-23', handoverMinute: 8 * 60, everyDays: 7, of: ['ann', 'bob', 'cy'] },
    ...more,
  });
  const people = ['ann', 'bob', 'cy'].map(person);
  function whoAt(onCall: OnCall, at: string, more: { others?: Contact[]; schedules?: Schedule[] } = {}): string[] {
    const contact = standing('duty', onCall);
    const contacts = new Map([...people, contact, ...(more.others ?? [])].map((entry) => [entry.id, entry]));
    return onCallAt(contact, us(at), { contacts, schedules: new Map((more.schedules ?? []).map((schedule) => [schedule.id, schedule])) });
  }

  it('a person stands for itself', () => {
    expect(onCallAt(person('ann'), 0, { contacts: new Map(), schedules: new Map() })).toEqual(['ann']);
  });

  const turns: [name: string, onCall: OnCall, at: string, who: string][] = [
    ['the first from the start', rotation(), '2026-03-23T07:00Z', 'ann'],
    ['just before the hand-over, after the clocks were put forward', rotation(), '2026-03-30T05:59:59.999Z', 'ann'],
    ['at the hand-over, by local time', rotation(), '2026-03-30T06:00Z', 'bob'],
    ['three weeks later the first again', rotation(), '2026-04-13T06:00Z', 'ann'],
    ['before the clocks are put back', rotation(), '2026-10-19T06:00Z', 'ann'],
    ['after the clocks were put back', rotation(), '2026-10-26T06:59Z', 'ann'],
    ['after the clocks were put back, at the hand-over', rotation(), '2026-10-26T07:00Z', 'bob'],
    ['just before the start, whose turn it would have been', rotation(), '2026-03-23T06:59Z', 'cy'],
    ['a week before that', rotation(), '2026-03-16T06:59Z', 'bob'],
    ['1,043 turns before the start', rotation(), '2006-03-27T06:00Z', 'bob'],
    ['10,435 turns ahead', rotation(), '2226-03-24T07:00Z', 'bob'],
    ['daily, handed over in the gap: at its end', rotation({ everyDays: 1, handoverMinute: 150 }), '2026-03-29T01:00Z', 'ann'],
    ['daily, before the gap', rotation({ everyDays: 1, handoverMinute: 150 }), '2026-03-29T00:59Z', 'cy'],
    ['daily, at a time that exists twice: at the first', rotation({ everyDays: 1, handoverMinute: 150 }), '2026-10-25T00:30Z', 'ann'],
    ['daily, between the two', rotation({ everyDays: 1, handoverMinute: 150 }), '2026-10-25T01:29Z', 'ann'],
    ['daily, at midnight', rotation({ everyDays: 1, handoverMinute: 0 }), '2026-03-23T23:00Z', 'bob'],
    // Newfoundland put its clocks back at 00:01: the hour before midnight came again.
    [
      'not back again, where midnight comes twice',
      rotation({ zone: 'America/St_Johns', start: '2010-11-06', everyDays: 1, handoverMinute: 0 }),
      '2010-11-07T03:00Z',
      'bob',
    ],
  ];
  it.each(turns)('rotation: %s', (_name, onCall, at, who) => {
    expect(whoAt(onCall, at)).toEqual([who]);
  });

  it('counts calendar days, whatever their length, in every zone', () => {
    // Turns in local days by Intl, compared in the middle of the local day: no hand-over is near.
    const zones = [
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Pacific/Kiritimati',
      'Pacific/Pago_Pago',
      'America/Santiago',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: -8000, max: 20_000 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 1439 }),
        (zone, day, everyDays, handoverMinute) => {
          const onCall = rotation({ zone, everyDays, handoverMinute });
          const noon = us('2026-03-23T12:00Z') + day * 1440 * MINUTE_US;
          const [local = 0] = localMinutes(zone, noon, 1);
          const sinceStart = local - Date.UTC(2026, 2, 23) / 60_000 - handoverMinute;
          const turn = Math.floor(Math.floor(sinceStart / 1440) / everyDays);
          expect(whoAt(onCall, iso(noon))).toEqual([['ann', 'bob', 'cy'].at(((turn % 3) + 3) % 3)]);
        },
      ),
      { numRuns: 500 },
    );
  });

  const nights = { ...scheduleOf('Europe/Berlin', window(EVERY_DAY, '22:00–06:00')), id: 'nights' };
  const weekends = { ...scheduleOf('Europe/Berlin', window([6, 7], '00:00–24:00')), id: 'weekends' };
  const schedules = [nights, weekends];
  const bySchedule: OnCall = {
    kind: 'schedules',
    entries: [
      { schedule: 'weekends', to: 'cy' },
      { schedule: 'nights', to: 'bob' },
      { schedule: null, to: 'ann' },
    ],
  };
  const first: [name: string, at: string, who: string][] = [
    ['on a week night the second', '2026-06-03T21:00Z', 'bob'],
    ['on a weekend the first, although it is night as well', '2026-06-06T21:00Z', 'cy'],
    ['otherwise the one without a schedule', '2026-06-03T12:00Z', 'ann'],
  ];
  it.each(first)('schedules: %s', (_name, at, who) => {
    expect(whoAt(bySchedule, at, { schedules })).toEqual([who]);
  });

  it('is nobody when no schedule holds', () => {
    const onCall: OnCall = { kind: 'schedules', entries: [{ schedule: 'nights', to: 'bob' }] };
    expect(whoAt(onCall, '2026-06-03T12:00Z', { schedules })).toEqual([]);
  });

  it('is nobody in a rotation of nobody', () => {
    expect(whoAt(rotation({ of: [] }), '2026-06-03T12:00Z')).toEqual([]);
  });

  it('follows contacts that stand for others', () => {
    const others = [standing('night-duty', bySchedule), standing('weekly', rotation({ of: ['night-duty', 'ann'] }))];
    const onCall: OnCall = { kind: 'schedules', entries: [{ schedule: null, to: 'weekly' }] };
    expect(whoAt(onCall, '2026-03-25T22:00Z', { others, schedules })).toEqual(['bob']);
    expect(whoAt(onCall, '2026-04-01T22:00Z', { others, schedules })).toEqual(['ann']);
  });

  it('ends where contacts stand for each other', () => {
    const others = [standing('other', { kind: 'schedules', entries: [{ schedule: null, to: 'duty' }] })];
    expect(whoAt({ kind: 'schedules', entries: [{ schedule: null, to: 'other' }] }, '2026-03-25T22:00Z', { others })).toEqual([]);
  });

  it('says which name leads nowhere', () => {
    expect(() => whoAt(rotation({ of: ['gone'] }), '2026-03-25T22:00Z')).toThrow('the contact that duty names does not exist: gone');
    expect(() => whoAt(bySchedule, '2026-03-25T22:00Z')).toThrow('does not exist: weekends');
  });
});
