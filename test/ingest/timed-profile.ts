/** Devices that send their own time, however wrong. */
import type { Profile } from '../../src/domain/device.ts';

export const timed: Profile = {
  name: 'timed',
  topics: ['timed/{device}'],
  decode: 'json',
  codec: null,
  compression: null,
  device: null,
  time: 'ts',
  timezone: null,
  clock: 'device',
  maxFutureMs: null,
  maxPastMs: null,
  clockSkew: 'keep',
  intervalMs: null,
  maxGapMs: null,
  latenessMs: 0,
  retrospectiveAfterMs: null,
  metrics: [
    {
      name: 'temperature',
      path: 'temperature',
      type: 'number',
      unit: '°C',
      range: [-40, 60],
      absent: [],
      scale: 1,
      offset: 0,
      decimal: 'point',
    },
  ],
  limits: {},
};
