/** A dispatcher that has no time yet begins with the first event: it does not go through every night since 1970. */
import { expect, it } from 'vitest';
import { Dispatcher } from '../../../src/notify/dispatch/dispatcher.ts';
import { Policy } from '../../../src/notify/dispatch/policy.ts';
import { configOf } from '../fixtures.ts';

it('the schedules of a new installation go on from its first event', () => {
  const config = configOf(`
contacts: {ann: {email: ann@example.org}}
schedules: [{id: night, zone: UTC, windows: [{days: mon-sun, from: "22:00", to: "06:00"}]}]
default: {to: [ann], muted: night}`);
  const dispatcher = new Dispatcher(new Policy(config, []));
  expect(dispatcher.nextDue).toBe(Number.POSITIVE_INFINITY);
  const noon = Date.UTC(2026, 0, 5, 12) * 1000;
  dispatcher.advance(noon);
  expect(dispatcher.nextDue).toBe(Date.UTC(2026, 0, 5, 22) * 1000);
});
