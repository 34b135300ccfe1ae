/**
 * Payloads seen in the wild, through the decoder, each on its own topic: without a profile where a built-in format knows the topic, else
 * under the profile that its sender's owner would write. Where ours differs from what the corpus proposes, it says why.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Decoded } from '../../src/devices/decode.ts';
import { FLAG_CLOCK_SKEW, type Value } from '../../src/domain/reading.ts';
import { ARRIVAL, decoderWith } from './formats/spoken.ts';

interface Expected {
  readonly device: string;
  readonly metric: string;
  readonly value: Value;
  readonly ts?: string;
}

interface Case {
  readonly id: string;
  readonly class: string;
  readonly topic: string;
  readonly payload?: string | null;
  readonly payloadBase64?: string;
  readonly arrival?: string;
  /** The payload of the same topic's next message. */
  readonly then?: string;
  readonly expected: {
    readonly action: 'accept' | 'accept-partial' | 'reject' | 'ignore';
    readonly values: readonly Expected[];
  };
  readonly ifProfileGzip?: readonly Expected[];
}

const MALFORMED = '../shared/data/malformed/malformed.jsonl';
const SECOND = 1_000_000;

/** On these topics a built-in format speaks: no profile may be needed. */
const BUILT_IN = new Set(
  '001 005 007 009 016 025 028 035 039 041 046 050 054 058 060 065 074 076 089'.split(' ').map((number) => `malformed-${number}`),
);

/** YAML without the profile's name, where the usual one does not do. */
const PROFILES: Record<string, string> = {
  'malformed-011': 'topic: "zigbee2mqtt/{device}"\ndecode: zigbee2mqtt\nmetrics: {temperature: {range: [-40, 125]}}',
  'malformed-013': 'topic: "zigbee2mqtt/{device}"\ndecode: zigbee2mqtt\nmetrics: {pm25: {range: [0, 1000]}}',
  'malformed-015': 'topic: "rtl_433/{host}/events"\ndecode: rtl_433\nmetrics: {humidity: {range: [0, 110]}}',
  'malformed-024': 'topic: "{device}/boiler_data"',
  'malformed-031': 'topic: "{device}/{metric}"\ndecode: scalar\nmetrics: {item: {decimal: comma}}',
  'malformed-037': 'topic: "rtlamr/{device}"\ntime: lastseen\nmetrics: {reading: {}}',
  'malformed-056': 'topic: test/topic\ndecode: thingsboard',
  'malformed-063': 'topic: "tele/{device}/STATE"\ndecode: tasmota\ntimezone: Europe/Berlin',
  'malformed-068': 'topic: "ems/{device}"\ntime: t\nclockSkew: quarantine',
  'malformed-069': 'topic: EnergyMeter/main\ndecode: influx',
  'malformed-070': 'topic: "{device}/opcua"\ndecode: thingsboard',
  // Below Telegraf's own topics, where line protocol is expected.
  'malformed-073': 'topic: "telegraf/{device}"',
  'malformed-081': 'topic: "tele/{device}/SENSOR"\ndecode: tasmota\nmetrics: {ENERGY.Today: {range: [0, 1000]}}',
};

/** Plain JSON, or one plain number, and the device is the level that the corpus says, else the first. */
function usualProfile({ topic, payload, expected }: Case): string {
  const levels = topic.split('/');
  const device = Math.max(levels.indexOf(expected.values[0]?.device ?? ''), 0);
  const isScalar = typeof payload === 'string' && !/^\s*[{[]/.test(payload) && levels.length > 1;
  const metric = isScalar && device < levels.length - 1 ? levels.length - 1 : -1;
  const template = levels.map((level, index) => (index === device ? '{device}' : index === metric ? '{metric}' : level)).join('/');
  const type = typeof expected.values[0]?.value === 'string' ? 'text' : 'number';
  return `topic: ${JSON.stringify(template)}\n${metric < 0 ? '' : `decode: scalar\nmetrics: {${JSON.stringify(levels[metric])}: {type: ${type}}}`}`;
}

function profileOf(one: Case): string | null {
  const isKnown = BUILT_IN.has(one.id) || decoderWith(null).route(one.topic) !== null;
  return PROFILES[one.id] ?? (isKnown ? null : usualProfile(one));
}

const GZIP = 'topic: "sensors/{device}"\ncompression: gzip';

/** Where what becomes of a message is not what the corpus proposes. */
const OTHERWISE: Record<string, { outcome: string; device?: string; because: string }> = {
  'malformed-001': { outcome: 'ignored', because: 'nan is no reading and no error, and there is nothing else: a sign of life' },
  'malformed-003': { outcome: 'readings', device: 'awtrix_f1e2', because: 'nan is no error; the device is called as in the topic' },
  'malformed-004': { outcome: 'ignored', because: 'nan is no reading and no error' },
  'malformed-018': { outcome: 'ignored', because: 'unavailable is no reading and no error' },
  'malformed-020': { outcome: 'ignored', because: 'None is no reading and no error' },
  'malformed-052': { outcome: 'ignored', because: 'valid, no readings: a sign of life' },
  'malformed-081': { outcome: 'out-of-range', because: 'the value that is refused is all that there is' },
};

const PROPOSED: Record<Case['expected']['action'], RegExp> = {
  accept: /^readings$/,
  'accept-partial': /^partial$/,
  // A topic that no sensor speaks on is plain MQTT traffic.
  ignore: /^(ignored|unrouted)$/,
  reject: /^(invalid-json|invalid-utf8|not-a-number|not-an-object|clock-skew|parse-error)$/,
};

function decodeCase(
  one: Case,
  { profile, payload }: { profile: string | null; payload?: string },
): { decoded: Decoded | null; receivedAt: number } {
  const decoder = decoderWith(profile);
  const route = decoder.route(one.topic);
  const bytes = one.payloadBase64 === undefined ? Buffer.from(payload ?? one.payload ?? '') : Buffer.from(one.payloadBase64, 'base64');
  const stamps = one.expected.values.flatMap(({ ts }) => (ts === undefined ? [] : [Date.parse(ts) * 1000]));
  const receivedAt =
    one.arrival !== undefined ? Date.parse(one.arrival) * 1000 : stamps.length > 0 ? Math.max(...stamps) + SECOND : ARRIVAL;
  return { decoded: route === null ? null : decoder.decode(route, bytes, receivedAt), receivedAt };
}

function outcomeOf(decoded: Decoded | null): string {
  if (decoded === null) return 'unrouted';
  if (decoded.kind === 'readings') return decoded.rejected.length > 0 ? 'partial' : 'readings';
  return decoded.kind === 'rejected' ? decoded.reason : decoded.kind;
}

const valuesOf = (decoded: Decoded | null): { device: string; metric: string; value: Value | undefined; at: number | null }[] =>
  decoded?.kind !== 'readings'
    ? []
    : decoded.readings.flatMap(({ device, at, metrics, values }) =>
        metrics.map((metric, index) => ({ device: device.id, metric, value: values[index], at })),
      );

function expectValues(decoded: Decoded | null, values: readonly Expected[], device?: string): void {
  const found = valuesOf(decoded);
  for (const expected of values) {
    const same = found.filter(({ metric }) => metric === expected.metric);
    expect(
      same.map((one) => [one.device, one.value]),
      expected.metric,
    ).toEqual([[device ?? expected.device, expected.value]]);
    if (expected.ts !== undefined) expect(same[0]?.at).toBe(Date.parse(expected.ts) * 1000);
  }
}

describe.skipIf(!existsSync(MALFORMED))('malformed payloads (skipped where ../shared/data is missing)', () => {
  const cases = existsSync(MALFORMED)
    ? readFileSync(MALFORMED, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Case)
    : [];
  const named = (id: string): Case => {
    const found = cases.find((one) => one.id === id);
    if (found === undefined) throw new Error(`${id} is not there`);
    return found;
  };

  it.each(cases.map((one) => [one.id, one.class, one] as const))('%s %s', (id, _class, one) => {
    const { decoded, receivedAt } = decodeCase(one, { profile: profileOf(one) });
    const otherwise = OTHERWISE[id];
    if (otherwise === undefined) expect(outcomeOf(decoded)).toMatch(PROPOSED[one.expected.action]);
    else expect(outcomeOf(decoded), otherwise.because).toBe(otherwise.outcome);
    expectValues(decoded, one.expected.values, otherwise?.device);
    for (const { value, at } of valuesOf(decoded)) {
      expect(value).not.toBeNaN();
      // Whatever a device's clock says, nothing lands in 1970 or in the future.
      expect(at === null || (at > Date.parse('2001-01-01') * 1000 && at <= receivedAt)).toBe(true);
    }
  });

  it('an unset clock is marked', () => {
    const one = named('malformed-063');
    const { decoded } = decodeCase(one, { profile: profileOf(one) });
    expect(decoded).toMatchObject({ readings: [{ at: null, flags: FLAG_CLOCK_SKEW }] });
  });

  it('a number stays a number, with a fraction or without', () => {
    const one = named('malformed-078');
    const { decoded } = decodeCase(one, { profile: profileOf(one), payload: one.then ?? '' });
    expect(valuesOf(decoded).map(({ value }) => value)).toEqual([Number(one.then)]);
  });

  it('JSON is JSON on a topic for plain values, too', () => {
    const one = named('malformed-089');
    expectValues(decodeCase(one, { profile: 'topic: "{device}/status/{metric}"\ndecode: scalar' }).decoded, one.expected.values);
  });

  it('what is compressed is read where the profile says so', () => {
    const one = named('malformed-083');
    expectValues(decodeCase(one, { profile: GZIP }).decoded, one.ifProfileGzip ?? []);
    expect(one.ifProfileGzip).toHaveLength(1);
  });
});
