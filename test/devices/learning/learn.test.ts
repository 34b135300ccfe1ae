/** A profile proposed from what is published: what it says, word for word, and that it holds and reads what it was made from, whatever that is. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDecoder } from '../../../src/devices/decode.ts';
import type { Heard } from '../../../src/devices/learning/heard.ts';
import { type Learnt, learn } from '../../../src/devices/learning/learn.ts';
import { parseProfile } from '../../../src/devices/profile.ts';

const NOON_US = Date.UTC(2026, 10, 23, 12) * 1000;

const heardAt = (second: number, topic: string, payload: string | object, isTimed = true): Heard => ({
  topic,
  payload: Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
  receivedAt: NOON_US + second * 1e6,
  isTimed,
});
const learnt = (heard: readonly Heard[], name: string | null = null): Learnt => learn(heard, { name, zone: 'UTC' });
const textOf = (heard: readonly Heard[]): string => learnt(heard).proposals[0]?.text ?? '';
/** Every `stepS` seconds for `times` steps. */
const over = (times: number, stepS: number, at: (step: number, second: number) => readonly Heard[]): Heard[] =>
  Array.from({ length: times }, (_, step) => at(step, step * stepS)).flat();

describe('a proposal', () => {
  it('of JSON objects: topic, time, interval, metrics with units, ranges and what stands for no reading', () => {
    const heard = over(12, 61, (step, second) =>
      ['f-1', 'f-2'].map((device, index) => {
        const temperature = step === 5 && index === 1 ? 85 : step === 6 && index === 0 ? -127 : 4 + (step % 3) / 2;
        const document = {
          ts: NOON_US / 1000 + second * 1000,
          temperature,
          door: step > 3,
          bat: { mv: 3000 + step },
          mode: 'cool',
          fan: 'ON',
        };
        return heardAt(second, `plant/${device}/data`, index === 0 ? { ...document, odd: 1 } : document);
      }),
    );
    expect(textOf(heard)).toBe(`# proposed by tocsin devices learn, from 24 messages of 2 devices: f-1, f-2
profile: plant-data
topic: "plant/{device}/data"
decode: json
time: ts
interval: 1m  # the median of 11 series
metrics:
  temperature: {unit: °C, absent: [-127, 85]}  # 4 to 5; unit by its name; -127 and 85 came, likely for no reading
  door: {type: boolean}
  bat.mv: {unit: mV}  # 3000 to 3011; unit by its name
  mode: {type: text}  # "cool"
  fan: {type: boolean}
  odd: {}  # always 1; of 1 device
`);
  });

  it('of values under their own topics', () => {
    const heard = over(5, 30, (step, second) => [
      heardAt(second, 'home/kitchen/temperature', `${20 + step / 2}`),
      heardAt(second, 'home/kitchen/humidity', `${40 + step}`),
      heardAt(second, 'home/bath/temperature', '21.5'),
    ]);
    expect(textOf(heard)).toBe(`# proposed by tocsin devices learn, from 15 messages of 2 devices: kitchen, bath
profile: home
topic: "home/{device}/{metric}"
decode: scalar
interval: 30s  # the median of 3 series
metrics:
  temperature: {unit: °C}  # 20 to 22; unit by its name
  humidity: {unit: "%"}  # 40 to 44; unit by its name; of 1 device
`);
  });

  it('of one value a device, whose name is in the topic or nowhere', () => {
    const named = over(3, 1, (step, second) => ['d1', 'd2'].map((device) => heardAt(second, `soil/${device}/moisture`, `${30 + step}`)));
    expect(textOf(named)).toContain('topic: "soil/{device}/moisture"\ndecode: scalar\ninterval: 1s');
    expect(textOf(named)).toContain('metrics:\n  moisture: {unit: "%"}  # 30 to 32; unit by its name\n');
    const nameless = ['valve-1', 'valve-2'].map((device) => heardAt(0, `valves/${device}`, 'open'));
    expect(textOf(nameless)).toContain('topic: "valves/{device}"\n');
    expect(textOf(nameless)).toContain('  value: {type: text}  # "open"\n');
  });

  it('of topics that a format knows, in its words', () => {
    const config = {
      state_topic: 'homeassistant/sensor/hall/state',
      unit_of_measurement: '°F',
      value_template: '{{ value_json.temperature }}',
    };
    const heard = [
      heardAt(0, 'homeassistant/sensor/hall/state', { temperature: 70, lux: 5 }),
      heardAt(1, 'homeassistant/sensor/hall/temperature/config', { ...config, device: { identifiers: ['hall'], name: 'Hall' } }, false),
      heardAt(10, 'homeassistant/sensor/hall/state', { temperature: 71, lux: 6 }),
    ];
    expect(textOf(heard)).toMatch(
      /topic: "homeassistant\/#"\ndecode: homeassistant\ninterval: 10s.*\nmetrics:\n {2}temperature: \{unit: °F\} {2}# 70 to 71\n/,
    );
  });

  it('takes a unit that stands beside the value, and needs no line for it', () => {
    const heard = ['a1', 'a2'].map((device) => heardAt(0, `x/${device}/co2`, { value: 600, unit: 'ppm', ok: true }));
    expect(textOf(heard)).toContain('  value: {unit: ppm}');
    expect(textOf(heard)).not.toContain('  unit:');
  });

  it('leaves alone what comes in several types, and says so', () => {
    const heard = [1, 'high', true].map((level, index) => heardAt(index, 'x/a1/data', { level, t: 1 }));
    expect(textOf(heard)).toContain('# level: number 1 times, boolean 1 times, text 1 times, and so of no type; it is kept as it comes\n');
  });

  it('knows no interval from what was retained, or came once', () => {
    const retained = over(5, 10, (_, second) => [heardAt(second, 'x/a1/data', { t: second }, false)]);
    expect(textOf(retained)).toContain('# interval: nothing came twice; learn for longer (--for) to find it\n');
  });

  it('puts a topic that half of the devices share with another beside it', () => {
    const heard = ['a1', 'a2', 'a3'].flatMap((device) => [
      heardAt(0, `x/${device}/data`, { t: 1, h: 2 }),
      heardAt(0, `x/${device}/health`, { rssi: -70, up: 5 }),
    ]);
    expect(textOf(heard)).toContain('topic:\n  - "x/{device}/data"\n  - "x/{device}/health"\n');
  });

  it('is of what was heard most; the others are told, with a filter that hears them alone', () => {
    const heard = [
      ...over(9, 1, (step, second) => [heardAt(second, `x/a${step % 2}/data`, { t: 1 })]),
      ...over(4, 1, (step, second) => [heardAt(second, `y/b${step % 2}/z/power`, '5')]),
    ];
    const { proposals } = learnt(heard, 'mine');
    expect(proposals.map(({ name, filters, devices, messages }) => ({ name, filters, devices, messages }))).toEqual([
      { name: 'mine', filters: ['x/+/data'], devices: 2, messages: 9 },
      { name: 'y-z-power', filters: ['y/+/z/power'], devices: 2, messages: 4 },
    ]);
  });

  it('names what discovery binds, and what nobody can read', () => {
    const bound = { device: { identifiers: ['e'] }, state_topic: 'e/state', name: 'power' };
    const { proposals, discovered, unreadable } = learnt([
      heardAt(0, 'homeassistant/sensor/e/power/config', bound),
      heardAt(0, 'e/state', '5'),
      heardAt(0, 'line/a1/data', 'weather,location=us temperature=82'),
    ]);
    expect({ proposals, discovered, unreadable }).toEqual({ proposals: [], discovered: ['e/state'], unreadable: ['line/a1/data'] });
  });

  it('cannot be led to say what is no comment and no name', () => {
    const evil = 'x\nmetrics: {a: {range: [0, 1]}}\n#';
    const heard = ['d1', 'd2'].map((device) =>
      heardAt(0, `x/${device}\u2028/data`, { [evil]: 1, on: 2, 'a: b': evil, "it's": '"', '#': 3, __proto__x: 4 }),
    );
    const profile = parseProfile({ path: 'p', text: textOf(heard) }).parsed?.profile;
    expect(profile?.metrics.map(({ name }) => name).sort()).toEqual(['#', '__proto__x', 'a: b', "it's", 'on']);
    expect(profile?.metrics.every(({ range }) => range === null)).toBe(true);
  });
});

describe('whatever was published', () => {
  const level = fc.constantFrom('a', 'b', 'c1', 'c2', 'temperature', 'humidity', 'data', '', '{device}', '$sys', 'ä ö', '"', 'f-7');
  const json = fc.jsonValue({ maxDepth: 3 });
  const payload = fc.oneof(
    json.map((value) => JSON.stringify(value)),
    fc
      .record({ temperature: fc.double(), ts: fc.integer(), on: fc.boolean(), unit: fc.string() }, { requiredKeys: [] })
      .map((value) => JSON.stringify(value)),
    fc.constantFrom('21.5', 'ON', 'open', 'nan', '85', '-127'),
    fc.string(),
  );
  const message = fc.record({
    topic: fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/')),
    payload: payload.map((text) => Buffer.from(text)),
    receivedAt: fc.integer({ min: NOON_US, max: NOON_US + 3_600_000_000 }),
    isTimed: fc.boolean(),
  });

  it('every proposal holds, and reads what it was made from', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), (heard) => {
        for (const { text, devices } of learnt(heard).proposals) {
          const { parsed, problems } = parseProfile({ path: 'p', text });
          expect(problems).toEqual([]);
          if (parsed === null) throw new Error('no profile');
          const decoder = createDecoder(
            { profiles: [parsed.profile], fleet: [], groups: [], unknown: 'accept' },
            { devices: 0, metricsPerDevice: 0 },
          );
          const read = new Set<string>();
          for (const { topic, payload: bytes, receivedAt } of heard) {
            const route = decoder.route(topic);
            const decoded = route === null ? null : decoder.decode(route, bytes, receivedAt);
            if (decoded?.kind === 'readings')
              for (const { device } of decoded.readings) if (device.profile === parsed.profile.name) read.add(device.id);
          }
          expect(read.size).toBeGreaterThanOrEqual(devices);
        }
      }),
      { numRuns: 300 },
    );
  });
});
