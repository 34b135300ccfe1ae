/** Devices with rules, and readings through them, in this process: `Devices` and `Evaluating` without journal and broker. */
import type { DeviceState } from '../../src/alerts/device-state.ts';
import { Devices } from '../../src/alerts/devices.ts';
import { Evaluating } from '../../src/alerts/evaluating.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import { FLAG_DEVICE_TIME, type Shape } from '../../src/domain/reading.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { parseRules } from '../../src/rules/parse.ts';
import { systemClock } from '../../src/std/clock.ts';
import { directoryOf, START_US } from '../alerts/scenario.ts';

export const PROFILE = 'vaccine-fridge';
const SHAPE: Shape = ['temperature'];

export interface FleetOptions {
  /** YAML of a rule file. */
  readonly rules: string;
  readonly devices: number;
  readonly labelsOf?: (index: number) => Readonly<Record<string, string>>;
  /** Between two readings of one device. */
  readonly intervalUs: number;
  readonly temperatureOf: (reading: number) => number;
}

export class Fleet {
  readonly devices: DeviceState[] = [];
  /** What it took to make ready the rules, and to find each device its own. */
  readonly compiledMs: number;
  readonly boundMs: number;
  readonly #evaluating: Evaluating;
  readonly #options: FleetOptions;
  readonly #order: Uint32Array;
  readonly #shape: Shape;
  #position = 0;
  #readings = 0;

  constructor(options: FleetOptions, directory: DeviceDirectory = directoryOf()) {
    this.#options = options;
    const started = systemClock.monotonicMs();
    const { rules, problems } = parseRules([{ path: 'rules.yaml', text: options.rules }]);
    const compiled = compileRules(rules, directory);
    const wrong = [...problems, ...compiled.problems][0];
    if (wrong !== undefined) throw wrong;
    const registry = new Devices({ rules: compiled.compiled, directory, graceUntil: 0 });
    const ready = systemClock.monotonicMs();
    for (let index = 0; index < options.devices; index++) {
      this.devices.push(registry.intern({ id: `device-${index}`, profile: PROFILE, labels: options.labelsOf?.(index) ?? {} }));
    }
    this.compiledMs = ready - started;
    this.boundMs = systemClock.monotonicMs() - ready;
    this.#shape = registry.internShape(SHAPE);
    this.#evaluating = new Evaluating({
      journalId: 'bench',
      onRuleError: (rule, _count, message) => {
        throw new Error(`${rule}: ${message}`);
      },
    });
    for (const device of registry.all) this.#evaluating.arm(device);
    for (const { instance } of registry.groups) this.#evaluating.arm(instance.device);
    this.#order = scattered(options.devices);
  }

  get evaluations(): number {
    return this.#evaluating.counts.evaluations;
  }

  /** One after the other the devices report, in an order that no cache foresees. */
  run(readings: number): void {
    const { intervalUs, temperatureOf } = this.#options;
    const count = this.devices.length;
    const stepUs = intervalUs / count;
    for (let index = 0; index < readings; index++) {
      const number = this.#readings++;
      const device = this.devices[this.#order[number % count] ?? 0];
      const at = START_US + Math.round(number * stepUs);
      if (device === undefined) continue;
      const values = [temperatureOf(number)];
      this.#evaluating.reading(this.#position++, { device, at, receivedAt: at, flags: FLAG_DEVICE_TIME, metrics: this.#shape, values });
    }
    this.#evaluating.takeChanges();
    for (const device of this.#evaluating.dirty.splice(0)) device.isDirty = false;
  }

  /** Nanoseconds a reading. */
  timed(readings: number): number {
    const started = systemClock.monotonicMs();
    this.run(readings);
    return ((systemClock.monotonicMs() - started) * 1e6) / readings;
  }
}

/** The numbers below `count`, each once, mixed the same way every time. */
function scattered(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  let seed = 1;
  for (let index = count - 1; index > 0; index--) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    const other = seed % (index + 1);
    const kept = order[index] ?? 0;
    order[index] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}
