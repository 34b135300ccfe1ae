/**
 * What a rule costs per reading, on the path where nothing changes: `node test/rules/evaluation-cost.ts`. Not a test.
 * 20 rules on every reading of 1,000 devices; prints nanoseconds a rule, decoding of the batch apart.
 */
import { Devices } from '../../src/alerts/devices.ts';
import { Evaluating } from '../../src/alerts/evaluating.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import { systemClock } from '../../src/std/clock.ts';
import { directoryOf, rulesOf, START_US } from '../alerts/scenario.ts';

const DEVICES = Number(process.env.DEVICES ?? 1000);
const READINGS = 20_000;
const ROUNDS = 15;
const RULES = 20;

const rulesFrom = (condition: (index: number) => string, more = ''): string =>
  `rules:\n${Array.from({ length: RULES }, (_, index) => `  - {id: r${index}, levels: {warning: {when: "${condition(index)}", for: 10m, clear: "temperature < 1"}, critical: {when: "${condition(index)}", for: 1h}}${more}}`).join('\n')}\n`;

const subjects: Record<string, { rules: string; hasProfile: boolean; values: (index: number) => number }> = {
  'none (decoding and the latest value only)': { rules: 'rules: []', hasProfile: true, values: () => 5 },
  'temperature > 8': { rules: rulesFrom((index) => `temperature > ${8 + index}`), hasProfile: true, values: () => 5 },
  'temperature > 8, without a profile': { rules: rulesFrom((index) => `temperature > ${8 + index}`), hasProfile: false, values: () => 5 },
  'temperature > limits.temperature_max + n, with noData': {
    rules: rulesFrom((index) => `temperature > limits.temperature_max + ${index}`, ', noData: {after: 30m, raise: warning}'),
    hasProfile: true,
    values: () => 5,
  },
  'by CEL itself: a text condition': {
    rules: rulesFrom((index) => `device.id.startsWith('x') && temperature > ${8 + index}`),
    hasProfile: true,
    values: () => 5,
  },
  'firing all the time': { rules: rulesFrom((index) => `temperature > ${index}`), hasProfile: true, values: () => 50 },
};

for (const [name, { rules, hasProfile, values }] of Object.entries(subjects)) {
  const nanoseconds = measure(rules, hasProfile, values);
  const perRule = rules === 'rules: []' ? '' : `, ${(nanoseconds / RULES).toFixed(0)} ns a rule`;
  process.stdout.write(`${name}: ${nanoseconds.toFixed(0)} ns a reading${perRule}\n`);
}

function measure(rules: string, hasProfile: boolean, values: (index: number) => number): number {
  const directory = directoryOf(hasProfile ? {} : { profiles: [] });
  const devices = new Devices({ rules: rulesOf(rules, directory), directory, graceUntil: 0 });
  const evaluating = new Evaluating({ journalId: 'j', onRuleError: () => undefined });
  const refs = Array.from({ length: DEVICES }, (_, index) => ({
    id: `d${index}`,
    profile: hasProfile ? 'vaccine-fridge' : null,
    labels: {},
  }));
  const shape = ['temperature'];
  let position = 0;
  let at = START_US;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const writer = new BatchWriter();
    for (let index = 0; index < READINGS; index++) {
      at += 100;
      const ref = refs[index % DEVICES];
      if (ref !== undefined) writer.addReading(ref, shape, [values(index)], { at, receivedAt: at, flags: 0 });
    }
    const { bytes } = writer.take();
    const started = systemClock.monotonicMs();
    readBatch(
      bytes,
      { reading: (reading) => evaluating.reading(position++, reading) },
      { internDevice: (ref) => devices.intern(ref), internShape: (s) => devices.internShape(s) },
    );
    best = Math.min(best, systemClock.monotonicMs() - started);
    evaluating.takeChanges();
  }
  return (best / READINGS) * 1e6;
}
