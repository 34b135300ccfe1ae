/** Who inhibits whom, held against asking everybody anew; with thousands of alerts under one key too. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Inhibiting } from '../../../src/notify/dispatch/inhibiting.ts';
import { Policy } from '../../../src/notify/dispatch/policy.ts';
import { configOf, newAlert, World } from './world.ts';

const SEED = 20260106;
const notify = (inhibitions: string): string =>
  `{contacts: {ops: {email: ops@x.org}}, default: {to: [ops]}, inhibitions: [${inhibitions}]}`;
const policy = new Policy(
  configOf(
    notify(`{source: {rule: x}, target: {rule: y}}, {source: {rule: y}, target: {rule: [x, z]}},
      {source: {level: critical}, target: {level: [warning, critical]}, equal: [labels.site]}, {source: {rule: "*"}, target: {level: info}}`),
  ),
  [],
);

describe('who inhibits whom', () => {
  it(`is known after every change as if everybody were asked anew (seed ${SEED})`, () => {
    const change = fc.record({
      id: fc.nat({ max: 6 }),
      rule: fc.constantFrom('x', 'y', 'z'),
      level: fc.constantFrom('info', 'warning', 'critical'),
      site: fc.constantFrom('a', 'b'),
      isFiring: fc.constantFrom(true, true, false),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 30 }), (changes) => {
        const inhibiting = new Inhibiting(policy);
        const alerts = new Map<string, ReturnType<typeof newAlert>>();
        const known = new Map<string, readonly string[]>();
        for (const { id: number, rule, level, site, isFiring } of changes) {
          const alert = { ...newAlert(`a${number}`, 0), rule, level, labels: { site }, state: isFiring ? 'firing' : 'resolved' } as const;
          alerts.set(alert.id, alert);
          const keys = inhibiting.place(alert);
          known.set(alert.id, inhibiting.keysFor(alert));
          for (const key of keys) {
            for (const id of inhibiting.changedBy(alert.id, key, (other) => known.get(other)?.includes(key) === true)) {
              const other = alerts.get(id);
              if (other !== undefined) known.set(id, inhibiting.keysFor(other));
            }
          }
          for (const [id, each] of alerts) expect(known.get(id), id).toEqual(inhibiting.keysFor(each));
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('thousands that inhibit thousands cost no more messages than one', () => {
    const world = new World({ notify: notify('{source: {level: critical}, target: {level: warning}, equal: [labels.site]}') }, false);
    const count = 4000;
    for (let index = 0; index < count; index++) {
      const level = index % 2 === 0 ? 'critical' : 'warning';
      world.becomes('firing', `a${index}`, world.timeOf(`${index * 10}ms`), { state: 'firing', level, labels: { site: 'a' } });
    }
    world.advance(world.timeOf('4m'));
    const isWarning = ({ content }: (typeof world.messages)[number]): boolean =>
      content.items.some(({ alert }) => alert.level === 'warning');
    expect(world.messages.filter(isWarning)).toEqual([]);
    for (let index = 0; index < count; index += 2) world.becomes('resolved', `a${index}`, world.timeOf('10m'), { state: 'resolved' });
    world.advance(world.timeOf('20m'));
    const warned = world.messages.filter(isWarning);
    expect(warned.map(({ content }) => content.cause.kind)).toEqual(['mute-end']);
    expect(warned.map(({ content }) => content.items.length + content.more)).toEqual([count / 2]);
  });
});
