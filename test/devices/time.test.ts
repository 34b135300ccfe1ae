import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDeviceTime } from '../../src/devices/time.ts';

const us = (text: string): number => Date.parse(text) * 1000;
const NOW = us('2026-03-01T00:00:00Z');

describe('device time', () => {
  it.each<[string, unknown, number | string]>([
    ['seconds', 1648731311, us('2022-03-31T12:55:11Z')],
    ['fractional seconds', 1594419195.292461, 1594419195292461],
    ['milliseconds', 1555745371410, us('2019-04-20T07:29:31.410Z')],
    ['microseconds', 1555745371410123, 1555745371410123],
    ['nanoseconds', 1675029102000000000, us('2023-01-29T21:51:42Z')],
    ['nanoseconds as text', '1675029102000000000', us('2023-01-29T21:51:42Z')],
    ['seconds as text', '1648731311', us('2022-03-31T12:55:11Z')],
    ['zero', 0, 0],
    ['RFC 3339', '2026-03-01T10:11:12Z', us('2026-03-01T10:11:12Z')],
    ['milliseconds in the text', '2026-03-01T10:11:12.345Z', us('2026-03-01T10:11:12.345Z')],
    ['the end of a month', '2024-02-29T10:11:12Z', us('2024-02-29T10:11:12Z')],
    ['minute 60', '2026-03-01T10:60:12Z', 'invalid'],
    ['a letter among the digits', '2026-03-01T1O:11:12Z', 'invalid'],
    ['an offset', '2026-03-01T10:11:12+05:30', us('2026-03-01T04:41:12Z')],
    ['an offset without a colon', '2026-03-01 10:11:12-0800', us('2026-03-01T18:11:12Z')],
    ['microseconds in the text', '2026-03-01T10:11:12.123456789Z', us('2026-03-01T10:11:12Z') + 123456],
    ['a leap second', '2016-12-31T23:59:60Z', us('2017-01-01T00:00:00Z')],
    ['no seconds', '2026-03-01T10:11Z', us('2026-03-01T10:11:00Z')],
    ['no zone', '2026-03-01T10:11:12', 'no-zone'],
    ['a day that is not', '2026-02-30T10:11:12Z', 'invalid'],
    ['a month that is not', '2026-13-01T10:11:12Z', 'invalid'],
    ['hour 24', '2026-03-01T24:00:00Z', 'invalid'],
    ['words', 'yesterday', 'invalid'],
    ['nothing', '', 'invalid'],
    ['an object', {}, 'invalid'],
    ['true', true, 'invalid'],
    ['infinity', Number.POSITIVE_INFINITY, 'invalid'],
    ['a number beyond all', 1e300, 'invalid'],
  ])('reads %s', (_name, raw, expected) => {
    expect(readDeviceTime(raw, null, NOW)).toBe(expected);
  });

  it.each([
    ['in winter', '2026-01-15T12:00:00', 'Europe/Berlin', '2026-01-15T11:00:00Z', NOW],
    ['in summer', '2026-07-15T12:00:00', 'Europe/Berlin', '2026-07-15T10:00:00Z', NOW],
    ['with half an hour of offset', '2026-07-15 12:00:00', 'Asia/Kolkata', '2026-07-15T06:30:00Z', NOW],
    [
      'twice in autumn, received soon after the first',
      '2026-10-25T02:30:00',
      'Europe/Berlin',
      '2026-10-25T00:30:00Z',
      us('2026-10-25T00:31:00Z'),
    ],
    [
      'twice in autumn, received soon after the second',
      '2026-10-25T02:30:00',
      'Europe/Berlin',
      '2026-10-25T01:30:00Z',
      us('2026-10-25T01:31:00Z'),
    ],
    ['just before it is twice', '2026-10-25T01:59:59', 'Europe/Berlin', '2026-10-24T23:59:59Z', NOW],
    ['just after it is twice', '2026-10-25T03:00:00', 'Europe/Berlin', '2026-10-25T02:00:00Z', NOW],
    ['left out in spring', '2026-03-29T02:30:00', 'Europe/Berlin', '2026-03-29T01:30:00Z', NOW],
    ['twice in the west', '2026-11-01T01:30:00', 'America/New_York', '2026-11-01T05:30:00Z', us('2026-11-01T05:31:00Z')],
    ['with its own offset, whatever the zone', '2026-07-15T12:00:00Z', 'Europe/Berlin', '2026-07-15T12:00:00Z', NOW],
  ])('reads a local time %s', (_name, text, zone, expected, receivedAt) => {
    expect(readDeviceTime(text, zone, receivedAt)).toBe(us(expected));
  });

  it('is what JavaScript reads, for every text that JavaScript writes', () => {
    const dates = fc.date({ min: new Date('1900-01-01'), max: new Date('2254-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(dates, (date) => {
        const text = date.toISOString();
        expect(readDeviceTime(text, null, NOW)).toBe(date.getTime() * 1000);
        expect(readDeviceTime(text.replace('Z', '+00:00'), null, NOW)).toBe(date.getTime() * 1000);
      }),
    );
  });

  it('is a whole number of microseconds or a word, whatever is sent', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double(),
          fc.string(),
          fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
          fc.jsonValue(),
        ),
        (raw) => {
          const time = readDeviceTime(raw, 'Europe/Berlin', NOW);
          return time === 'invalid' || (typeof time === 'number' && Number.isSafeInteger(time));
        },
      ),
    );
  });
});
