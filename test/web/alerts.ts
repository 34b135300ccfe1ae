/** An alert that fires, for tests of what is done about it. */
import type { LinkedAlert } from './memory-backend.ts';

const SINCE = Date.UTC(2026, 10, 23, 8, 30) * 1000;

export const alertNamed = (id: string, changes: Partial<LinkedAlert> = {}): LinkedAlert => ({
  id,
  rule: 'fridge-warm',
  device: 'fridge-01',
  level: 'warning',
  state: 'firing',
  flags: [],
  since: SINCE,
  firedAt: SINCE + 600_000_000,
  resolvedAt: null,
  value: 9.3,
  summary: 'fridge-01 is at 9.3 °C',
  labels: { site: 'berlin' },
  timeline: [{ at: SINCE, kind: 'firing', reason: 'temperature > 8 for 10m' }],
  ...changes,
});
