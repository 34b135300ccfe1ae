/** Who would be told if a rule fired now: the decision that notifying would take, at each level, with what holds it back. */
import { describe, expect, it } from 'vitest';
import { explain } from '../../src/alerts/explaining.ts';
import type { Alert } from '../../src/domain/alert.ts';
import { Dispatcher } from '../../src/notify/dispatch/dispatcher.ts';
import { Policy } from '../../src/notify/dispatch/policy.ts';
import { withTellings } from '../../src/notify/would-tell.ts';
import { directoryOf, MINUTE_US, rulesOf, ruleText, Scenario, START_US } from '../alerts/scenario.ts';
import { configOf, TransitionLog } from './fixtures.ts';

const RULES = ruleText(
  '{info: {when: "temperature > 7"}, warning: {when: "temperature > 8", for: 10m}}',
  'noData: {after: 15m, raise: critical}',
);
const NOTIFY = configOf(`
contacts: {pharmacy: [{email: p@x.org}, {mqtt: tocsin/p}], night: {email: n@x.org}}
routes:
  - {match: {level: critical}, to: [night, pharmacy], groupWait: 0s}
  - {match: {level: info}, to: []}
default: {to: [pharmacy], groupWait: 0s}
`);

function tellings(dispatcher: Dispatcher) {
  const directory = directoryOf();
  const scenario = new Scenario(RULES, { directory });
  scenario.reading(0, { temperature: 5 });
  const context = { devices: scenario.devices, rules: rulesOf(RULES, directory), directory, now: START_US + MINUTE_US };
  const told = withTellings(explain({ device: 'fridge-01' }, context), dispatcher);
  if ('unknown' in told) throw new Error(told.unknown);
  return told.rules[0]?.ifItFired ?? [];
}

describe('who would be told', () => {
  it('is said of each level, the one that silence raises included, with the channels in their order and the route', () => {
    const told = tellings(new Dispatcher(new Policy(NOTIFY, [])));
    expect(told.map(({ level, contacts }) => [level, contacts.map(({ id }) => id)])).toEqual(
      expect.arrayContaining([
        ['warning', ['pharmacy']],
        ['critical', ['night', 'pharmacy']],
        ['info', []],
      ]),
    );
    expect(told).toHaveLength(3);
    const of = (wanted: string) => told.find(({ level }) => level === wanted);
    expect(of('warning')?.contacts[0]?.channels.map(({ kind, address }) => `${kind} ${address}`)).toEqual([
      'email p@x.org',
      'mqtt tocsin/p',
    ]);
    expect(of('warning')?.reason).toContain('no route matches: the default to pharmacy');
    expect(of('critical')?.reason).toContain('the route on line 4 to night, pharmacy');
    expect(of('info')?.reason).toContain('tells nobody');
  });

  it('says what would hold it back now', () => {
    const dispatcher = new Dispatcher(new Policy(NOTIFY, []));
    const match = { levels: null, rules: null, devices: ['fridge-*'], alerts: null, labels: {} };
    const silence = { id: 's1', match, by: 'anna', comment: 'moving', startsAt: START_US, endsAt: START_US + 60 * MINUTE_US };
    expect(dispatcher.operate({ kind: 'silence', silence }, START_US)).toEqual({ done: true });
    for (const { level, reason } of tellings(dispatcher)) if (level !== 'info') expect(reason).toContain('held back now');
  });

  it('changes nothing of what is decided after', () => {
    const log = new TransitionLog();
    const alert: Partial<Alert> & { id: string } = { id: 'a', rule: 'warm', level: 'warning' };
    const transitions = [log.add('firing', alert), log.add('resolved', alert)];
    const asked = new Dispatcher(new Policy(NOTIFY, []));
    const plain = new Dispatcher(new Policy(NOTIFY, []));
    for (const transition of transitions) {
      tellings(asked);
      for (const dispatcher of [asked, plain]) dispatcher.transition(transition);
      tellings(asked);
    }
    for (const dispatcher of [asked, plain]) dispatcher.advance(log.now());
    const [first, second] = [asked.take(), plain.take()];
    expect(first.messages.length).toBeGreaterThan(0);
    expect(first).toEqual(second);
  });

  it('is nothing where there is nothing to explain', () => {
    const unknown = { unknown: 'there is no such device', hint: null } as const;
    expect(withTellings(unknown, new Dispatcher(new Policy(NOTIFY, [])))).toBe(unknown);
  });
});
