/**
 * What was recorded, read again from its beginning: for backtests, in a process of its own while an instance writes. What a
 * series reader promises (test/contracts/series-reader.ts holds every implementation to it):
 *
 * **Order.** Readings come in order of their time over all devices, those of one instant in order of the devices' ids, and
 * for a device and an instant there is one, with all its metrics. Of several values of a metric at one instant it has the one that was written last.
 *
 * **Bounds.** Memory holds some ten thousand readings, and one more of each device, however long the range.
 *
 * **Beside a writer.** It writes nothing and keeps no lock. What is written behind the place it has reached is not seen; nothing is seen twice.
 */
import type { DeviceRef, Reading } from '../domain/reading.ts';

export interface SeriesReader {
  /** Readings with from <= at < to, µs. A time of receipt is not recorded: `receivedAt` is `at`. */
  scan(range: { readonly from: number; readonly to: number }, deviceOf: DeviceOf): AsyncIterable<readonly Reading[]>;
  close(): void;
}

/** What the store knows of a device beside its id; null: nothing. */
export interface RecordedDevice {
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** Gives a device of the store its profile and labels; asked once a device and a scan, or once a set of labels. */
export type DeviceOf = (id: string, recorded: RecordedDevice | null) => DeviceRef;

/** One device's readings, `writes[i]` being a number that is greater where `readings[i]` was written later. */
export interface Run {
  readonly readings: Reading[];
  readonly writes: number[];
}

/** In order of time, one reading an instant. The same arrays where nothing had to be done. */
export function settled(run: Run): Run {
  const { readings, writes } = run;
  let isSettled = true;
  for (let index = 1; isSettled && index < readings.length; index++) {
    isSettled = (readings[index]?.at ?? 0) > (readings[index - 1]?.at ?? 0);
  }
  if (isSettled) return run;
  const order = readings.map((reading, index) => ({ reading, write: writes[index] ?? 0 }));
  order.sort((left, right) => left.reading.at - right.reading.at || left.write - right.write);
  const result: Run = { readings: [], writes: [] };
  for (const { reading, write } of order) {
    const last = result.readings.at(-1);
    if (last?.at === reading.at) result.readings[result.readings.length - 1] = merged(last, reading);
    else {
      result.readings.push(reading);
      result.writes.push(write);
    }
  }
  return result;
}

/** What the later one says counts. */
function merged(earlier: Reading, later: Reading): Reading {
  const values = new Map(earlier.metrics.map((metric, index) => [metric, earlier.values[index] ?? 0]));
  for (const [index, metric] of later.metrics.entries()) values.set(metric, later.values[index] ?? 0);
  return { ...later, metrics: [...values.keys()], values: [...values.values()] };
}

/**
 * How much time to read at once, so that about READINGS_TARGET readings come of it: learnt from what came of the last piece.
 * A piece that turns out far larger is given up and read again in smaller ones.
 */
export class Pace {
  static readonly READINGS_TARGET = 12_000;
  static readonly READINGS_MAX = 10 * Pace.READINGS_TARGET;
  static readonly #WIDTH_MIN_US = 1000;
  static readonly #GROWTH_MAX = 16;
  widthUs: number;

  constructor(widthUs: number) {
    this.widthUs = widthUs;
  }

  /** After a piece of `widthUs` that held this many. */
  learn(widthUs: number, readings: number): void {
    this.widthUs = Math.max(Pace.#WIDTH_MIN_US, Math.floor(widthUs * Math.min(Pace.#GROWTH_MAX, Pace.READINGS_TARGET / (readings + 1))));
  }

  /** @returns false when it cannot be smaller */
  shrink(widthUs: number): boolean {
    if (widthUs <= Pace.#WIDTH_MIN_US) return false;
    this.widthUs = Math.max(Pace.#WIDTH_MIN_US, Math.floor(widthUs / 8));
    return true;
  }
}

export const inOrder = (left: Reading, right: Reading): number =>
  left.at - right.at || (left.device.id < right.device.id ? -1 : left.device.id > right.device.id ? 1 : 0);
