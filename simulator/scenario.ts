/**
 * What the simulated devices do. `fridges`: a fleet of vaccine fridges; the third one (the last, in a smaller fleet) loses its
 * compressor, warms past 8 °C, is mended and cools down again; the same again every three hours of its time.
 */
import { advance, type Fridge, newFridge } from './fridge.ts';
import { seededRandom } from './random.ts';

export interface Message {
  readonly device: string;
  readonly topic: string;
  readonly payload: Readonly<Record<string, string | number | boolean>>;
}

export interface Scenario {
  readonly devices: readonly string[];
  /** Moves all devices on by `minutes` of their own time and says what each of them reports. */
  next(minutes: number, now: Date): readonly Message[];
}

export const SCENARIOS: Readonly<Record<string, (options: { devices: number; seed: number }) => Scenario>> = { fridges };

const FAULT = { everyMinutes: 180, fromMinute: 2, toMinute: 32 } as const;
const SENSOR_NOISE = 0.04;
const DOOR_OPENS_PER_MINUTE = 0.02;

function fridges({ devices: count, seed }: { devices: number; seed: number }): Scenario {
  const random = seededRandom(seed);
  const devices = Array.from({ length: count }, (_, index) => `fridge-${String(index + 1).padStart(2, '0')}`);
  const failing = Math.min(2, count - 1);
  let fleet: readonly Fridge[] = devices.map(() => newFridge(random()));
  let minute = 0;
  return {
    devices,
    next(minutes, now) {
      minute += minutes;
      const inCycle = minute % FAULT.everyMinutes;
      const isBroken = inCycle >= FAULT.fromMinute && inCycle < FAULT.toMinute;
      fleet = fleet.map((fridge, index) => advance(fridge, minutes, { compressorFails: isBroken && index === failing }));
      return devices.map((device, index) => {
        const temperature = (fleet[index]?.temperature ?? 0) + SENSOR_NOISE * (2 * random() - 1);
        const door = random() < DOOR_OPENS_PER_MINUTE * Math.min(minutes, 1);
        return {
          device,
          topic: `sensors/${device}/telemetry`,
          payload: { ts: now.toISOString(), temperature: Math.round(temperature * 100) / 100, door },
        };
      });
    },
  };
}
