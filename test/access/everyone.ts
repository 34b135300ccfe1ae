/** Access as it is on loopback without credentials: everybody may do everything. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { Access } from '../../src/access/access.ts';
import { systemClock as clock } from '../../src/std/clock.ts';

const directory = { profiles: [], fleet: [], groups: [], unknown: 'accept' } as const;

/** Its metrics go nowhere. */
export const everyone = (): Access =>
  new Access({ anonymous: true, credentials: [], directory }, { clock, logger: pino({ level: 'silent' }), registry: new Registry() });
