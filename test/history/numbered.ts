/** Readings numbered from 0, spread over a few devices, for tests that count them. */
import type { DeviceRef, Reading } from '../../src/domain/reading.ts';

const START = 1_772_323_200_000_000;
export const DEVICES: readonly DeviceRef[] = Array.from({ length: 7 }, (_, index) => ({ id: `d${index}`, profile: null, labels: {} }));
const metrics = ['n', 'text'];

export function numberedReading(number: number): Reading {
  const device = DEVICES[number % DEVICES.length];
  if (device === undefined) throw new Error('there is a device for every remainder');
  const at = START + number * 1_000_003;
  return { device, at, receivedAt: at, flags: 0, metrics, values: [number, `reading ${number}`] };
}
