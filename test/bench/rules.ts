/**
 * `npm run bench -- rules`: what evaluation costs, in this process and without a broker. Four questions: does a reading cost
 * more when there are more rules that are not for its device, what does each kind of rule cost, does a window's length
 * matter, and how much memory does an instance or a window take. What is compared takes turns of about a millisecond, short
 * enough to run undisturbed on a busy machine, and the fastest tenth of the turns counts.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Fleet } from './fleet.ts';
import { BASELINE, fleetOf, KINDS, type Kind, wandering } from './rule-kinds.ts';

export interface ScaleRow {
  readonly devices: number;
  readonly rules: number;
  readonly nanosecondsPerReading: number;
  readonly readingsPerSecond: number;
  readonly evaluationsPerSecond: number;
  /** To the row of the same devices with the fewest rules. */
  readonly ratio: number;
  /** What a start takes: making the rules ready, and finding every device its own. */
  readonly compiledMs: number;
  readonly boundMs: number;
}
export interface KindRow {
  readonly kind: string;
  readonly nanosecondsPerReading: number;
  readonly readingsPerSecond: number;
  /** To a reading with one plain comparison that stays false. */
  readonly ratio: number;
}
export interface MemoryRow {
  readonly what: string;
  readonly bytes: number;
}

/** So many rules are for each device, whatever their number. */
export const MATCHING = 10;
/** More of both would only measure the size of the caches again. */
const INSTANCES_MAX = 1_500_000;
const TURN_NS = 1_000_000;
const WARM_UP_READINGS = 30_000;

/** Rules in banks of ten, each bank for the devices that are labelled so. */
export function bankedFleet(devices: number, rules: number): Fleet {
  const banks = Math.max(1, Math.floor(rules / MATCHING));
  const lines = Array.from(
    { length: rules },
    (_, index) =>
      `  - {id: r${index}, devices: {labels: {bank: b${Math.floor(index / MATCHING)}}}, levels: {warning: {when: "temperature > ${8 + (index % MATCHING)}"}}}`,
  );
  const labelsOf = (index: number) => ({ bank: `b${index % banks}` });
  const text = `rules:\n${lines.join('\n')}\n`;
  return new Fleet({ rules: text, devices, labelsOf, intervalUs: 60_000_000, temperatureOf: (reading) => 5 + (reading % 2) });
}

/** One row for each number of rules. */
export function measureScale(devices: number, rules: readonly number[], rounds: number): ScaleRow[] {
  const fits = devices * MATCHING * rules.length <= INSTANCES_MAX;
  const counts = fits ? rules : [...new Set([Math.min(...rules), Math.max(...rules)])];
  const fleets = counts.map((count) => bankedFleet(devices, count));
  const bests = inTurns(fleets, rounds);
  const first = bests[0] ?? Number.NaN;
  return counts.map((count, index) => {
    const best = bests[index] ?? Number.NaN;
    const readingsPerSecond = 1e9 / best;
    return {
      devices,
      rules: count,
      nanosecondsPerReading: best,
      readingsPerSecond,
      evaluationsPerSecond: readingsPerSecond * MATCHING,
      ratio: best / first,
      compiledMs: fleets[index]?.compiledMs ?? Number.NaN,
      boundMs: fleets[index]?.boundMs ?? Number.NaN,
    };
  });
}

export const KIND_NAMES = KINDS.map(({ name }) => name);

/** One kind of rule against the baseline, which takes turns with it. */
export function measureKind(name: string, rounds: number): KindRow {
  const kind = KINDS.find((known) => known.name === name) ?? BASELINE;
  const baseline = fleetOf(BASELINE);
  const fleet = fleetOf(kind);
  fleet.run(kind.fill ?? 0);
  const [base = Number.NaN, best = Number.NaN] = inTurns([baseline, fleet], rounds);
  return { kind: kind.name, nanosecondsPerReading: best, readingsPerSecond: 1e9 / best, ratio: best / base };
}

/** Nanoseconds a reading of each. */
function inTurns(fleets: readonly Fleet[], rounds: number): number[] {
  const sizes = fleets.map((fleet) => {
    fleet.run(Math.max(WARM_UP_READINGS, fleet.devices.length));
    return Math.max(50, Math.ceil(TURN_NS / fleet.timed(WARM_UP_READINGS)));
  });
  const turns = fleets.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, fleet] of fleets.entries()) turns[index]?.push(fleet.timed(sizes[index] ?? 0));
  }
  return turns.map((ofOne) => ofOne.sort((left, right) => left - right)[Math.floor(rounds / 10)] ?? Number.NaN);
}

const MEMORY_DEVICES = 2000;
const WINDOW_DEVICES = 100;
const MEMORY_WINDOWS = [
  { window: '5m', intervalUs: 60_000_000, samples: 5 },
  { window: '1d', intervalUs: 60_000_000, samples: 1440 },
  { window: '30d', intervalUs: 600_000_000, samples: 4320 },
];

/** Heap and buffers after a collection, of one more of each. */
export function measureMemory(): MemoryRow[] {
  const oneReading = (fleet: Fleet) => fleet.run(MEMORY_DEVICES);
  const bare = bytesOf(() => new Fleet({ ...NO_RULES, devices: MEMORY_DEVICES }), oneReading) / MEMORY_DEVICES;
  const idle = bytesOf(() => bankedFleet(MEMORY_DEVICES, MATCHING), oneReading) / MEMORY_DEVICES;
  const rows = [
    { what: 'a device that has reported', bytes: bare },
    { what: 'an instance of a plain rule, idle', bytes: (idle - bare) / MATCHING },
  ];
  for (const call of ['avg(temperature', 'max(temperature', 'median(temperature', 'stddev(temperature', 'timeAbove(temperature, 6']) {
    for (const { window, intervalUs, samples } of MEMORY_WINDOWS) {
      const text = `${call}, '${window}')`;
      const kind: Kind = {
        name: text,
        rule: `levels: {warning: {when: "${text} > 3000000"}}`,
        devices: WINDOW_DEVICES,
        temperatureOf: wandering,
      };
      const bytes = bytesOf(
        () => fleetOf(kind, intervalUs),
        (fleet) => fleet.run((samples + 10) * WINDOW_DEVICES),
      );
      rows.push({ what: `the window and instance of ${text}, ${samples} samples`, bytes: bytes / WINDOW_DEVICES - bare });
    }
  }
  return rows;
}

const NO_RULES = { rules: 'rules: []\n', intervalUs: 60_000_000, temperatureOf: () => 5 };

function bytesOf(make: () => Fleet, use: (fleet: Fleet) => void): number {
  // The first one pays for what all share: compiled code, tables of names.
  use(make());
  const before = usedBytes();
  const fleet = make();
  use(fleet);
  const after = usedBytes();
  if (fleet.devices.length === 0) throw new Error('it must outlive the measurement');
  return after - before;
}

function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('this Node has no gc()');
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
