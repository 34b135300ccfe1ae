import { describe, expect, it } from 'vitest';
import { type Message, SCENARIOS } from '../../simulator/scenario.ts';

/** Every message of a fleet over so many minutes of its time, one a minute. */
function run(options: { devices: number; seed: number; minutes: number }): readonly Message[] {
  const scenario = SCENARIOS.fridges?.(options);
  if (scenario === undefined) throw new Error('no scenario fridges');
  return Array.from({ length: options.minutes }, (_, minute) => scenario.next(1, new Date(minute * 60_000))).flat();
}
const temperatures = (messages: readonly Message[], device: string): readonly number[] =>
  messages.filter((message) => message.device === device).map((message) => Number(message.payload.temperature));

describe('the scenario fridges', () => {
  const messages = run({ devices: 5, seed: 1, minutes: 360 });

  it.each(['fridge-01', 'fridge-02', 'fridge-04', 'fridge-05'])('%s stays between 2 and 8 °C', (device) => {
    const values = temperatures(messages, device);
    expect(values).toHaveLength(360);
    expect(Math.min(...values)).toBeGreaterThan(2);
    expect(Math.max(...values)).toBeLessThan(8);
  });

  it('fridge-03 warms past 8 °C within 25 minutes, recovers within the hour, and again three hours later', () => {
    const values = temperatures(messages, 'fridge-03');
    const warmFrom = values.findIndex((value) => value > 8);
    expect(warmFrom).toBeGreaterThan(5);
    expect(warmFrom).toBeLessThan(25);
    // Warm for long enough that a rule with a short `for` fires.
    expect(values.slice(warmFrom + 1, warmFrom + 6).every((value) => value > 8)).toBe(true);
    expect(values.slice(45, 180).every((value) => value < 7)).toBe(true);
    expect(values.slice(180, 240).some((value) => value > 8)).toBe(true);
  });

  it('is the same for the same seed and another for another', () => {
    expect(run({ devices: 3, seed: 7, minutes: 50 })).toEqual(run({ devices: 3, seed: 7, minutes: 50 }));
    expect(run({ devices: 3, seed: 7, minutes: 50 })).not.toEqual(run({ devices: 3, seed: 8, minutes: 50 }));
  });

  it('speaks as the profile of a vaccine fridge expects, and one fridge alone fails too', () => {
    expect(messages[0]).toEqual({
      device: 'fridge-01',
      topic: 'sensors/fridge-01/telemetry',
      payload: { ts: '1970-01-01T00:00:00.000Z', temperature: expect.any(Number), door: expect.any(Boolean) },
    });
    expect(Math.max(...temperatures(run({ devices: 1, seed: 1, minutes: 60 }), 'fridge-01'))).toBeGreaterThan(8);
  });
});
