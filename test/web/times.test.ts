import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime, parseTime, withTimes } from '../../src/web/times.ts';

describe('times at the edge', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0],
    ['2026-11-23T12:00:00.000001Z', Date.UTC(2026, 10, 23, 12) * 1000 + 1],
    ['2026-11-23T12:00:00.5Z', Date.UTC(2026, 10, 23, 12) * 1000 + 500_000],
    ['2026-11-23t13:00:00+01:00', Date.UTC(2026, 10, 23, 12) * 1000],
    ['2026-11-23 10:30:00-01:30', Date.UTC(2026, 10, 23, 12) * 1000],
    ['2026-11-23T12:00:00.123456789Z', Date.UTC(2026, 10, 23, 12) * 1000 + 123_456],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29) * 1000],
  ])('reads %s', (text, time) => expect(parseTime(text)).toBe(time));

  it.each([
    ['2026-02-30T00:00:00Z', 'a day that the month does not have'],
    ['2026-13-01T00:00:00Z', 'a month that the year does not have'],
    ['2026-01-01T24:00:00Z', 'hour 24'],
    ['2026-01-01T00:00:60Z', 'second 60'],
    ['2026-01-01T00:00:00', 'no zone'],
    ['2026-01-01', 'no time'],
    ['2026-01-01T00:00:00+99:00', 'no such zone'],
    ['1969-12-31T23:59:59Z', 'before 1970'],
    ['2255-01-01T00:00:00Z', 'past what µs hold exactly'],
    ['1700000000', 'a number'],
    ['', 'nothing'],
  ])('refuses %s: %s', (text) => expect(parseTime(text)).toBeUndefined());

  it('reads back every µs that it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(2255, 0, 1) * 1000 - 1 }), (time) => parseTime(formatTime(time)) === time),
      { numRuns: 2000 },
    );
  });

  it('renders times wherever they stand, and leaves what users name alone', () => {
    const at = Date.UTC(2026, 0, 1) * 1000;
    const text = '2026-01-01T00:00:00.000000Z';
    const input = {
      since: at,
      resolvedAt: null,
      value: at,
      format: at,
      values: { at, since: at },
      labels: { at: 'x' },
      timeline: [{ at, reason: 'r' }],
      metrics: { at: { value: 1, at } },
      device: { values: { at: { value: at, at, receivedAt: at } } },
    };
    expect(withTimes(input)).toEqual({
      since: text,
      resolvedAt: null,
      value: at,
      format: at,
      values: { at, since: at },
      labels: { at: 'x' },
      timeline: [{ at: text, reason: 'r' }],
      metrics: { at: { value: 1, at: text } },
      device: { values: { at: { value: at, at: text, receivedAt: text } } },
    });
    expect(input.since).toBe(at);
  });
});
