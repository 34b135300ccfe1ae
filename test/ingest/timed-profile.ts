/** Devices that send their own time, however wrong. */
import { metricOf, profileWith } from '../devices/profiles.ts';

export const timed = profileWith('timed', {
  topics: ['timed/{device}'],
  metrics: [metricOf('temperature', { unit: '°C', range: [-40, 60] })],
});
