/** A restart leaves no trace: whatever was stopped or killed, the transitions are those of a run that never ended. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Alerting } from '../../src/alerts/alerting.ts';
import type { Transition } from '../../src/domain/alert.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { open, runToEnd } from './run.ts';
import { directoryOf, listed, MINUTE_US, metric, profileOf, START_US } from './scenario.ts';
import { ScriptedJournal, type ScriptedReading } from './scripted-journal.ts';

const RESTART_RULES = `rules:
  - id: warm
    levels:
      warning: {when: "temperature > 8", for: 7m, clear: "temperature < 7"}
      critical: {when: "temperature > 9", for: 15m}
    noData: {after: 12m, raise: warning}
  - id: both
    levels: {info: {when: "temperature > 8 && humidity > 50", for: 3m}}
  - id: damp
    levels: {warning: {when: "humidity > 50"}}
    noData: {after: 20m, then: ok}
`;

const metrics = [metric('temperature'), metric('humidity')];
const plain = directoryOf({ profiles: [profileOf({ metrics, intervalMs: null })], fleet: [listed('fridge-09')] });
const held = directoryOf({
  profiles: [profileOf({ metrics, intervalMs: null, latenessMs: 6 * 60_000 })],
  fleet: [listed('fridge-09')],
});
const old = directoryOf({ profiles: [profileOf({ metrics, retrospectiveAfterMs: 3 * 60_000 })], fleet: [listed('fridge-09')] });
const site = (name: string) => ({ labels: { site: name } });
const joined = directoryOf({
  profiles: [profileOf({ metrics, intervalMs: null })],
  fleet: [
    listed('gateway', { profile: null }),
    listed('fridge-01', { ...site('a'), dependsOn: 'gateway' }),
    listed('fridge-02', { ...site('a'), dependsOn: 'gateway' }),
    listed('fridge-09', site('b')),
  ],
});
const announced = { ...joined, profiles: [profileOf({ metrics, intervalMs: null, decode: 'zigbee2mqtt' })] };

const WINDOWS = `rules:
  - id: mean
    levels: {warning: {when: "avg(temperature, '20m') > 8 && stddev(temperature, '20m') < 2", for: 3m}}
  - id: median
    levels: {info: {when: "median(temperature, '25m') > 8"}, warning: {when: "max(temperature, '10m') - min(temperature, '30m') > 3"}}
  - id: hours
    levels: {warning: {when: "timeAbove(temperature, 8, '1h') > '10m'", clear: "timeBelow(temperature, 8, '30m') > 600"}}
  - id: stale
    levels: {warning: {when: "stale(humidity, '11m')", for: 2m}}
`;
const OTHERS = `rules:
  - id: gone
    devices: {id: gateway}
    levels: {info: {when: "false"}}
    noData: {after: 10m, raise: critical}
  - id: silent
    devices: {profile: vaccine-fridge}
    levels: {warning: {when: "temperature > 9"}}
    noData: {after: 8m, raise: warning}
  - id: neighbour
    devices: {id: fridge-01}
    levels: {warning: {when: "temperature > 8 && device('fridge-02').humidity > 50", for: 2m}}
`;
const SAID = `${OTHERS}  - id: offline
    devices: {id: "*"}
    levels: {info: {when: "availability == false"}, warning: {when: "!availability", for: 15m}}
  - id: behind
    devices: {id: fridge-02}
    levels: {warning: {when: "!device('gateway').availability && temperature > 8", for: 4m}}
  - id: site
    by: [site]
    levels: {warning: {when: "count(!availability) >= 2"}}
    noData: {after: 9m, raise: critical}
`;

const COUNTS = `rules:
  - id: counted
    levels:
      info: {when: "temperature > 8", count: {times: 2, of: 4}, for: 3m, keepFiringFor: 6m}
      warning: {when: "temperature > 9", consecutive: 2, keepFiringFor: 4m}
      critical: {when: "temperature > 9 && humidity > 50", clear: "humidity < 50", keepFiringFor: 2m}
    noData: {after: 12m, then: keep, metrics: [humidity]}
`;
const GROUPS = `rules:
  - id: site
    by: [site]
    levels: {warning: {when: "avg(temperature) > 8", for: 3m}, critical: {when: "count(temperature > 9) >= 2"}}
    noData: {after: 9m, raise: critical}
  - id: mean
    by: [site]
    levels: {info: {when: "max(temperature, '20m') - min(temperature, '10m') > 2", keepFiringFor: 5m}}
`;

interface RestartCase {
  readonly name: string;
  readonly text: string;
  readonly directory: DeviceDirectory;
  readonly runs?: number;
  /** How much of the script only says whether a device is online. */
  readonly share?: number;
}
const CASES: readonly RestartCase[] = [
  { name: 'levels and silence', text: RESTART_RULES, directory: plain, runs: 200 },
  { name: 'windows', text: WINDOWS, directory: plain },
  { name: 'windows over held readings', text: WINDOWS, directory: held },
  { name: 'levels over held readings', text: RESTART_RULES, directory: held },
  { name: 'a backlog', text: RESTART_RULES, directory: old },
  { name: 'counts and levels that are kept', text: COUNTS, directory: plain },
  { name: 'counts over held readings', text: COUNTS, directory: held },
  { name: 'groups', text: GROUPS, directory: joined },
  { name: 'other devices and a gateway', text: OTHERS, directory: joined },
  { name: 'what is said of devices and a gateway', text: SAID, directory: announced, share: 0.4 },
];

describe('stopping or killing at any point gives the same transitions, with the same ids, as never stopping', () => {
  it.each(CASES)(
    '$name',
    async ({ text, directory, runs = 100, share = 0 }) => {
      const step = fc.record({
        minute: fc.double({ min: 0, max: 9, noNaN: true }),
        device: fc.constantFrom('fridge-01', 'fridge-02', 'fridge-09'),
        shape: fc.constantFrom(['temperature'], ['humidity'], ['temperature', 'humidity']),
        values: fc.tuple(fc.constantFrom(5, 7.5, 8.5, 9.5), fc.constantFrom(40, 60)),
        lateBy: fc.constantFrom(0, 0, 0, 4),
        hasDeviceTime: fc.boolean(),
        says: fc.record({
          device: fc.constantFrom('gateway', 'gateway', 'fridge-01', 'fridge-02'),
          online: fc.boolean(),
          chance: fc.double({ min: 0, max: 1 }),
        }),
      });
      const stop = fc.record({
        after: fc.nat(60),
        isKill: fc.boolean(),
        snapshotEveryMs: fc.constantFrom(0, 1e9),
        batchesPerSlice: fc.integer({ min: 1, max: 4 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.array(stop, { maxLength: 5 }), async (steps, stops) => {
          const script = scriptOf(steps, directory, share);
          const attempt = async (interruptions: typeof stops): Promise<Transition[]> => {
            using database = openDatabase(':memory:');
            const options = { text, directory };
            for (const { after, isKill, snapshotEveryMs, batchesPerSlice } of interruptions) {
              const journal = journalOf(script);
              journal.stopAfter = after;
              journal.batchesPerSlice = batchesPerSlice;
              const alerting = open(database, journal, { ...options, snapshotEveryMs, snapshotChunkDevices: 1 });
              // A kill leaves the run where it is: nothing is written any more.
              if (isKill) await new Promise<void>((resolve) => startAndLeave(alerting, journal, resolve));
              else await runToEnd(alerting, journal);
            }
            const journal = journalOf(script);
            const alerting = open(database, journal, options);
            await runToEnd(alerting, journal);
            return alerting.transitions.after(0, 10_000);
          };
          const whole = await attempt([]);
          const interrupted = await attempt(stops);
          expect(byId(interrupted)).toEqual(byId(whole));
        }),
        { numRuns: runs, interruptAfterTimeLimit: 40_000 },
      );
    },
    60_000,
  );

  interface Step {
    readonly minute: number;
    readonly device: string;
    readonly shape: readonly string[];
    readonly values: readonly [number, number];
    readonly lateBy: number;
    readonly hasDeviceTime: boolean;
    readonly says: { readonly device: string; readonly online: boolean; readonly chance: number };
  }

  /** Readings carry the labels that the fleet file gives their device, as the ingest puts them there. */
  function scriptOf(steps: readonly Step[], directory: DeviceDirectory, share: number): ScriptedReading[] {
    const labels = new Map(directory.fleet.map((device) => [device.id, device.labels]));
    let receivedAt = START_US;
    return steps.map(({ minute, device, shape, values, lateBy, hasDeviceTime, says }) => {
      receivedAt += Math.round(minute * MINUTE_US) + 1;
      if (says.chance < share) {
        const profile = says.device === 'gateway' ? null : 'vaccine-fridge';
        const of = { id: says.device, profile, labels: labels.get(says.device) ?? {} };
        return { device: of, metrics: ['availability'], values: [says.online], at: receivedAt, receivedAt, flags: 0 };
      }
      const ref = { id: device, profile: 'vaccine-fridge', labels: labels.get(device) ?? {} };
      const of = { temperature: values[0], humidity: values[1] };
      const at = hasDeviceTime ? receivedAt - lateBy * MINUTE_US : receivedAt;
      const picked = shape.map((name) => (name === 'humidity' ? of.humidity : of.temperature));
      return { device: ref, metrics: shape, values: picked, at, receivedAt, flags: hasDeviceTime ? FLAG_DEVICE_TIME : 0 };
    });
  }

  function journalOf(script: readonly ScriptedReading[]): ScriptedJournal {
    const journal = new ScriptedJournal();
    for (let index = 0; index < script.length; index += 2) journal.append(script.slice(index, index + 2));
    const last = script.at(-1)?.receivedAt ?? START_US;
    journal.ticks = [1, 5, 40].map((minute) => last + minute * MINUTE_US);
    return journal;
  }

  function startAndLeave(alerting: Alerting, journal: ScriptedJournal, resolve: () => void): void {
    journal.onEnd = resolve;
    void alerting.run(new AbortController().signal);
  }

  const byId = (transitions: readonly Transition[]) =>
    transitions.map(({ sequence: _, ...transition }) => transition).sort((left, right) => (left.id < right.id ? -1 : 1));
});
