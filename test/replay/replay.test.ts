/** A replay: what it takes and tells, and a reload in the midst. That it agrees with a live run is agreement.test.ts's to show. */
import fc from 'fast-check';
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createAlerting } from '../../src/alerts/alerting.ts';
import type { Transition } from '../../src/domain/alert.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import { foremost } from '../../src/notify/content.ts';
import { Replay, type ReplayMessage } from '../../src/replay/replay.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { directoryOf, listed, MINUTE_US, profileOf, rulesOf, START_US } from '../alerts/scenario.ts';
import { createStillClock, ScriptedJournal, type ScriptedReading } from '../alerts/scripted-journal.ts';
import { configOf } from '../notify/fixtures.ts';

const END_US = START_US + 600 * MINUTE_US;
const RULES = `rules:
  - id: warm
    devices: {profile: vaccine-fridge}
    levels:
      warning:  {when: "temperature > limits.temperature_max", for: 10m, clear: "temperature < limits.temperature_max - 0.5"}
      critical: {when: "temperature > 10", for: 20m}
    noData: {after: 30m, raise: warning}
    summary: "{{device.name}} is at {{temperature}} °C"
    runbook: https://wiki.example.org/fridges
    labels: {team: pharmacy}
  - id: door
    devices: {profile: vaccine-fridge}
    levels: {info: {when: "door", for: 5m}, warning: {when: "door && temperature > 7", for: 5m}}
  - id: damp
    devices: {profile: vaccine-fridge, id: "fridge-0?"}
    levels: {warning: {when: "humidity > 60"}}
`;
const NOTIFY = configOf(`
contacts: {night: {email: night@example.org}, pharmacy: {email: pharmacy@example.org}, bystander: {email: b@example.org}}
routes:
  - {match: {rule: door, level: info}, to: []}
  - {match: {level: critical}, to: [pharmacy, night]}
  - {match: {labels.site: berlin}, to: [bystander], continue: true}
default: {to: [pharmacy]}`);
interface Peculiarities {
  readonly latenessMs: number;
  readonly retrospectiveAfterMs: number | null;
  readonly dependsOn: string | null;
}
const directoryWith = ({ dependsOn, ...changes }: Peculiarities): DeviceDirectory =>
  directoryOf({
    profiles: [profileOf(changes)],
    fleet: [listed('fridge-01', { labels: { site: 'berlin' }, limits: { temperature_max: 7 }, dependsOn }), listed('never-seen')],
  });
const directory = directoryWith({ latenessMs: 0, retrospectiveAfterMs: null, dependsOn: null });
const peculiarities: fc.Arbitrary<Peculiarities> = fc.record({
  latenessMs: fc.constantFrom(0, 0, 360_000),
  retrospectiveAfterMs: fc.constantFrom(null, 600_000),
  dependsOn: fc.constantFrom(null, 'fridge-02'),
});

const fridge01 = { id: 'fridge-01', profile: 'vaccine-fridge', labels: { site: 'berlin' } };
/** Equal in what it says, another object: a batch of its own has its own reference. */
const fridge01Again = { ...fridge01, labels: { ...fridge01.labels } };
const fridge02 = { id: 'fridge-02', profile: 'vaccine-fridge', labels: {} };
const fridge02Moved = { ...fridge02, labels: { site: 'berlin' } };
const stranger = { id: 'lamp', profile: null, labels: {} };
const TEMPERATURE = ['temperature'];
const ALL = ['temperature', 'humidity', 'door'];

const readings = fc
  .array(
    fc.record({
      minutesLater: fc.constantFrom(0, 0, 1, 5, 5, 5, 12, 40),
      device: fc.constantFrom(fridge01, fridge01Again, fridge02, fridge02Moved, stranger),
      temperature: fc.constantFrom(5, 7.2, 9, 9.3, 10.5, 12),
      humidity: fc.constantFrom(50, 70),
      door: fc.boolean(),
      isShort: fc.boolean(),
      ageMinutes: fc.constantFrom(null, 0, 0, 0, 3, 90),
    }),
    { maxLength: 60 },
  )
  .map((steps) => {
    let receivedAt = START_US;
    return steps.map(({ minutesLater, device, temperature, humidity, door, isShort, ageMinutes }): ScriptedReading => {
      receivedAt += minutesLater * MINUTE_US;
      return {
        device,
        metrics: isShort ? TEMPERATURE : ALL,
        values: isShort ? [temperature] : [temperature, humidity, door],
        at: receivedAt - (ageMinutes ?? 0) * MINUTE_US,
        receivedAt,
        flags: ageMinutes === null ? 0 : FLAG_DEVICE_TIME,
      };
    });
  });

function replayed(script: readonly ScriptedReading[]): readonly ReplayMessage[] {
  const rules = rulesOf(RULES, directory);
  const sent: ReplayMessage[] = [];
  const replay = new Replay({
    rules,
    directory,
    notify: NOTIFY,
    ruleTexts: rules.map(({ rule }) => rule),
    journalId: 'journal-1',
    startsAt: START_US,
    onMessage: (message) => sent.push(message),
  });
  for (const reading of script) replay.reading(reading);
  replay.until(END_US);
  replay.finish();
  return sent;
}

describe('a reload in the midst', () => {
  const OTHER = RULES.replaceAll('for: 10m', 'for: 5m').replace(/ {2}- id: [\s\S]*?(?= {2}- id: )/, '');

  /** A reload is a clean stop and a start with other rules. */
  async function reloaded(script: readonly ScriptedReading[], at: number, of: DeviceDirectory): Promise<readonly Transition[]> {
    using database = openDatabase(':memory:');
    const reloadAt = script[at - 1]?.receivedAt ?? START_US;
    const run = async (text: string, nowUs: number, stopAfter: number): Promise<readonly Transition[]> => {
      const clock = createStillClock(nowUs);
      const journal = new ScriptedJournal();
      for (const reading of script) journal.append([reading]);
      journal.stopAfter = stopAfter;
      journal.ticks = [END_US];
      const stop = new AbortController();
      journal.onEnd = () => {
        // Until then it has run: there is no time in between.
        clock.advanceMs((reloadAt - nowUs) / 1000);
        stop.abort();
      };
      const alerting = createAlerting({
        journal,
        journalId: 'journal-1',
        partition: 0,
        range: { first: 0, head: journal.head },
        database,
        rules: rulesOf(text, of),
        directory: of,
        clock,
        logger: pino({ level: 'silent' }),
        registry: new Registry(),
        startGraceMs: 0,
        onTransitions: () => undefined,
        followedTo: () => 0,
      });
      await alerting.run(stop.signal);
      return alerting.transitions.after(0, 10_000);
    };
    await run(RULES, START_US, at);
    return await run(OTHER, reloadAt, Number.POSITIVE_INFINITY);
  }

  it('gives the same transitions, live and replayed', async () => {
    expect(OTHER).not.toBe(RULES);
    let closed = 0;
    await fc.assert(
      fc.asyncProperty(readings, peculiarities, fc.nat(60), async (script, peculiar, place) => {
        fc.pre(script.length > 0);
        const directory = directoryWith(peculiar);
        const at = Math.min(place, script.length - 1);
        const transitions: Transition[] = [];
        const configured = (text: string) => {
          const rules = rulesOf(text, directory);
          return { rules, directory, notify: NOTIFY, ruleTexts: rules.map(({ rule }) => rule) };
        };
        const replay = new Replay({
          ...configured(RULES),
          journalId: 'journal-1',
          startsAt: START_US,
          onTransition: (transition) => transitions.push(transition),
        });
        for (const [index, reading] of script.entries()) {
          if (index === at) replay.reload(configured(OTHER));
          replay.reading(reading);
        }
        replay.until(END_US);
        replay.finish();
        closed += transitions.filter(({ reason }) => reason === 'removed').length;
        expect(transitions).toEqual(await reloaded(script, at, directory));
      }),
      { numRuns: 60 },
    );
    expect(closed).toBeGreaterThan(0);
  }, 60_000);
});

describe('a replay', () => {
  const warm = (minute: number, temperature: number): ScriptedReading => {
    const receivedAt = START_US + minute * MINUTE_US;
    return { device: fridge02, metrics: TEMPERATURE, values: [temperature], at: receivedAt, receivedAt, flags: FLAG_DEVICE_TIME };
  };

  it('dates a message by journal time: of the reading, or of the timer', () => {
    const mine = replayed([warm(0, 9), warm(5, 9), warm(17, 9), warm(20, 5)]).filter(
      ({ content }) => foremost(content).device === 'fridge-02',
    );
    expect(mine.slice(0, 4).map(({ at, kind, content }) => `${(at - START_US) / MINUTE_US} ${kind} ${foremost(content).level}`)).toEqual([
      // Ten minutes after the first reading, before the next one came; and half an hour after the last. Each waits for its group.
      '10.5 firing warning',
      '20.5 resolved warning',
      '50.5 firing warning',
      // A default's repeatInterval later.
      '290.5 reminder warning',
    ]);
  });

  it('refuses a reading that would turn journal time back', () => {
    expect(() => replayed([warm(5, 9), warm(4, 9)])).toThrow('a reading of');
  });

  it('takes the place in the journal from whoever knows it: it is what ids are made of', () => {
    const ids = (position: number | undefined): string[] => {
      const rules = rulesOf(RULES, directory);
      const seen: string[] = [];
      const replay = new Replay({
        rules,
        directory,
        notify: NOTIFY,
        ruleTexts: [],
        startsAt: START_US,
        onTransition: ({ id }) => seen.push(id),
      });
      replay.reading(warm(0, 9), position);
      return seen;
    };
    expect(ids(undefined)).toEqual(ids(0));
    expect(ids(7)).not.toEqual(ids(0));
  });

  it('counts conditions that could not be evaluated, and says why', () => {
    const rules = rulesOf(
      'rules: [{id: labelled, devices: {profile: vaccine-fridge}, levels: {info: {when: "device.labels.none == \'x\' && temperature > 0"}}}]',
      directory,
    );
    const replay = new Replay({ rules, directory, notify: NOTIFY, ruleTexts: [], startsAt: START_US });
    replay.reading(warm(0, 9));
    replay.reading(warm(5, 9));
    expect(replay.ruleErrors).toEqual([{ rule: 'labelled', count: 2, message: expect.stringContaining('none') }]);
    expect(replay.counts).toMatchObject({ evaluations: 2, transitions: 0, messages: 0 });
  });
});
