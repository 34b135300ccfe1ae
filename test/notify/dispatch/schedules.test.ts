/** Routes by the time of day: windows, quiet hours and their morning summary, on the days on which clocks are changed too. */
import { describe, it } from 'vitest';
import { scenario } from './scenario.ts';

const quiet = (zone: string, route = 'muted: quiet'): string => `
contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}
routes: [{match: {level: critical}, to: [night]}]
default: {to: [ops], ${route}, repeatInterval: off}
schedules: [{id: quiet, zone: ${zone}, windows: [{from: "22:00", to: "06:30"}]}]`;

describe('quiet hours', () => {
  it('mute what fires in them; the morning hears what fires still and what came and went, at once', () =>
    scenario(
      quiet('UTC'),
      ({ at, because }) => {
        at('2026-01-05T22:00:00Z').fires('a');
        at('2026-01-05T23:00:00Z').fires('b');
        at('2026-01-06T01:00:00Z').resolves('b');
        at('2026-01-06T06:30:30Z').tells('ops', 'end of schedule quiet: a firing, b ended');
        at('2026-01-06T08:00:00Z').resolves('a');
        at('2026-01-06T08:00:30Z').tells('ops', 'a resolved');
        because('a', /held back: the schedule \(quiet\); its end tells of it/);
      },
      { start: '2026-01-05T12:00:00Z' },
    ));

  it('do not mute what rises to a route without them', () =>
    scenario(
      quiet('UTC'),
      ({ at }) => {
        at('1h').fires('a');
        at('2h').rises('a').tells('night', 'a firing critical');
        at('3h').resolves('a').tells('night', 'a resolved critical');
      },
      { start: '2026-01-05T22:00:00Z' },
    ));

  it('what waits to be told as they begin waits for the morning; at the first instant after them it does not', () =>
    scenario(
      quiet('UTC'),
      ({ at }) => {
        at('2026-01-05T21:59:45Z').fires('a');
        at('2026-01-06T06:30:00Z').fires('b');
        at('2026-01-06T06:30:30Z').tells('ops', 'b firing').tells('ops', 'end of schedule quiet: a firing');
      },
      { start: '2026-01-05T12:00:00Z' },
    ));

  it('of a route do not hold back a contact’s news over its other routes, and are not got round by them', () =>
    scenario(
      `
contacts: {ops: {email: ops@x.org}, night: {email: night@x.org}}
routes:
  - {match: {}, to: [ops], continue: true, groupBy: []}
  - {match: {}, to: [night], muted: quiet}
default: {to: []}
schedules: [{id: quiet, zone: UTC, windows: [{from: "22:00", to: "06:30"}]}]`,
      ({ at }) => {
        at('2026-01-05T21:00:00Z').fires('a');
        at('2026-01-05T21:00:30Z').tells('ops', 'a firing').tells('night', 'a firing');
        at('2026-01-05T23:00:00Z').rises('a').tells('ops', 'a warning→critical');
        at('2026-01-06T01:00:00Z').resolves('a').tells('ops', 'a resolved critical');
        at('2026-01-06T02:00:00Z').fires('b');
        at('2026-01-06T02:00:30Z').tells('ops', 'b firing');
        at('2026-01-06T03:00:00Z').resolves('b');
        at('2026-01-06T03:00:30Z').tells('ops', 'b resolved');
        at('2026-01-06T06:30:30Z').tells('night', 'end of schedule quiet, the route on line 5: a resolved critical, b ended');
      },
      { start: '2026-01-05T12:00:00Z' },
    ));
});

describe('active', () => {
  it('tells within its windows, and at the begin of the next one what was outside', () =>
    scenario(
      quiet('UTC', 'active: office')
        .replace('id: quiet', 'id: office')
        .replace('from: "22:00", to: "06:30"', 'days: mon-fri, from: "08:00", to: "17:00"'),
      ({ at }) => {
        at('2026-01-09T16:00:00Z').fires('a');
        at('2026-01-09T16:00:30Z').tells('ops', 'a firing');
        at('2026-01-09T18:00:00Z').resolves('a').fires('b');
        at('2026-01-10T10:00:00Z').fires('c').resolves('c');
        at('2026-01-12T08:00:30Z').tells('ops', 'end of schedule not office: b firing, a resolved, c ended');
      },
      { start: '2026-01-09T12:00:00Z' },
    ));
});

describe('quiet hours from 22:00 to 06:30 end at 06:30 by the clock on the wall, when clocks are changed', () => {
  /** The night before, and 06:30 of the morning after. */
  const nights = [
    ['Europe/Berlin', 'spring 2026', '2026-03-28T21:00:00Z', '2026-03-29T04:30:00Z'],
    ['Europe/Berlin', 'autumn 2026', '2026-10-24T20:00:00Z', '2026-10-25T05:30:00Z'],
    ['Europe/Berlin', 'spring 2027', '2027-03-27T21:00:00Z', '2027-03-28T04:30:00Z'],
    ['Europe/Berlin', 'autumn 2027', '2027-10-30T20:00:00Z', '2027-10-31T05:30:00Z'],
    ['America/New_York', 'spring 2026', '2026-03-08T03:00:00Z', '2026-03-08T10:30:00Z'],
    ['America/New_York', 'autumn 2026', '2026-11-01T02:00:00Z', '2026-11-01T11:30:00Z'],
    ['America/New_York', 'spring 2027', '2027-03-14T03:00:00Z', '2027-03-14T10:30:00Z'],
    ['America/New_York', 'autumn 2027', '2027-11-07T02:00:00Z', '2027-11-07T11:30:00Z'],
    // Half an hour of daylight saving.
    ['Australia/Lord_Howe', 'autumn 2026', '2026-04-04T11:00:00Z', '2026-04-04T20:00:00Z'],
    ['Australia/Lord_Howe', 'spring 2026', '2026-10-03T11:30:00Z', '2026-10-03T19:30:00Z'],
    ['Australia/Lord_Howe', 'autumn 2027', '2027-04-03T11:00:00Z', '2027-04-03T20:00:00Z'],
    ['Australia/Lord_Howe', 'spring 2027', '2027-10-02T11:30:00Z', '2027-10-02T19:30:00Z'],
  ] as const;
  for (const [zone, season, begin, end] of nights) {
    it(`${zone}, ${season}`, () =>
      scenario(
        quiet(zone),
        ({ at }) => {
          const lastSecond = new Date(Date.parse(end) - 1000).toISOString();
          at(begin).fires('first');
          at(lastSecond).fires('last').flags('last', []);
          at(new Date(Date.parse(end) + 30_000).toISOString()).tells('ops', 'end of schedule quiet: first firing, last firing');
        },
        { start: new Date(Date.parse(begin) - 3_600_000).toISOString() },
      ));
  }
});
