/**
 * Payloads seen in the wild, through the decoder. A case goes under the built-in topics, or, where its class says that a
 * profile decides, under the profile that fits its class. Where ours differs from what the corpus proposes, it says why.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createDecoder, type Decoded } from '../../src/devices/decode.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import { FLAG_CLOCK_SKEW, type Value } from '../../src/domain/reading.ts';

interface Case {
  readonly id: string;
  readonly class: string;
  readonly topic: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly arrival?: string;
  readonly expected: {
    readonly action: 'accept' | 'accept-partial' | 'reject' | 'ignore';
    readonly values: readonly { metric: string; value: Value; ts?: string }[];
  };
}

const DATA = '../shared/data';
const MALFORMED = `${DATA}/malformed/malformed.jsonl`;
const GENERIC = `${DATA}/mqtt/generic-json.jsonl`;
const ARRIVAL = Date.parse('2026-04-03T08:00:00Z') * 1000;

const lines = (path: string): Case[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case);

/** Profiles for the cases that need one: the rest of a YAML file after name and topic. */
const PROFILES: Record<string, string> = {
  'malformed-004': 'decode: scalar\nmetrics: {temperature: {}}',
  'malformed-011': 'metrics: {temperature: {range: [-40, 125]}, humidity: {}, pressure: {}, battery: {}, voltage: {}}',
  'malformed-013': 'metrics: {co2: {}, pm25: {range: [0, 1000]}}',
  'malformed-015': 'metrics: {temperature_C: {}, humidity: {range: [0, 110]}}',
  'malformed-018': 'decode: scalar\nmetrics: {temperature: {}}',
  'malformed-020': 'decode: scalar\nmetrics: {temperature: {}}',
  'malformed-025': 'decode: scalar\nmetrics: {POWER: {type: boolean}}',
  'malformed-031': 'decode: scalar\nmetrics: {item: {}}',
  'malformed-033': 'decode: scalar\nmetrics: {baro: {}}',
  'malformed-035': 'decode: scalar\nmetrics: {color: {}}',
  'malformed-037': 'metrics: {reading: {}}',
  'malformed-056': 'time: ts\nmaxPast: off\nmetrics: {temp: {path: values.temp}}',
  'malformed-058': 'time: ts\nmaxPast: off\nmetrics: {v1: {path: values.v1}, v2: {path: values.v2}}',
  'malformed-063': 'time: Time\ntimezone: Europe/Berlin\nmetrics: {UptimeSec: {}}',
  'malformed-065': 'time: Time',
  'malformed-068': 'time: t\nclockSkew: quarantine\nmetrics: {P: {path: data.P}}',
  'malformed-070': 'time: ts\nmetrics: {t: {path: values.t}}',
  'malformed-081': 'metrics: {ENERGY.Today: {range: [0, 1000]}}',
  'malformed-083': 'metrics: {temperature: {}}',
  'malformed-089': 'decode: scalar',
  'generic-json-001':
    'time: time\nmaxPast: off\nmetrics: {temperature: {path: measurements.0.value}, moisture: {path: measurements.1.value}, light: {path: measurements.2.value}, fertility: {path: measurements.3.value}}',
  'generic-json-003':
    'time: ts\nmaxPast: off\nmetrics: {data.co: {}, data.humidity: {}, data.light: {type: boolean}, data.lpg: {}, data.motion: {type: boolean}, data.smoke: {}, data.temp: {}}',
  'generic-json-005': 'time: ts\nmaxPast: off\nmetrics: {temp: {path: values.temp}}',
};

/** Where what becomes of a message is not what the corpus proposes. */
const OTHERWISE: Record<string, { outcome: string; because: string }> = {
  'malformed-001': { outcome: 'readings', because: 'nan is no reading, but Time and TempUnit are text without a profile' },
  'malformed-003': { outcome: 'readings', because: 'nan is no reading and no error: nothing is left to quarantine' },
  'malformed-004': { outcome: 'ignored', because: 'nan is no reading and no error' },
  'malformed-018': { outcome: 'ignored', because: 'unavailable is no reading and no error' },
  'malformed-020': { outcome: 'ignored', because: 'None is no reading and no error' },
  'malformed-031': { outcome: 'not-a-number', because: 'no profile can ask for decimal commas yet' },
  'malformed-037': { outcome: 'partial', because: 'the number is refused; lastseen is kept as the text it is' },
  'malformed-052': { outcome: 'ignored', because: 'valid, no readings: a sign of life' },
  'malformed-060': { outcome: 'invalid-json', because: 'InfluxDB line protocol is not supported yet' },
  'malformed-069': { outcome: 'invalid-json', because: 'InfluxDB line protocol is not supported yet' },
};

/** Cases whose payload is one scalar, and so come on a metric's own topic. */
const SCALARS = new Set([
  'malformed-004',
  'malformed-018',
  'malformed-020',
  'malformed-025',
  'malformed-031',
  'malformed-033',
  'malformed-035',
  'malformed-078',
  'malformed-087',
  'malformed-089',
]);

function decodeCase(one: Case): { decoded: Decoded; receivedAt: number } {
  const rest = PROFILES[one.id];
  const level = one.topic.split('/').at(-1) ?? '';
  const kind = SCALARS.has(one.id) ? level : 'telemetry';
  const template = SCALARS.has(one.id) ? 'sensors/{device}/{metric}' : 'sensors/{device}/telemetry';
  const parsed = rest === undefined ? null : parseProfile({ path: one.id, text: `profile: p\ntopic: "${template}"\n${rest}` });
  expect(parsed?.problems ?? []).toEqual([]);
  const profiles = parsed?.parsed == null ? [] : [parsed.parsed.profile];
  const decoder = createDecoder({ profiles, fleet: [], groups: [], unknown: 'accept' }, { devices: 10, metricsPerDevice: 100 });
  const route = decoder.route(`sensors/d/${kind}`);
  if (route === null) throw new Error('no route');
  const payload = one.payloadBase64 === undefined ? Buffer.from(one.payload ?? '') : Buffer.from(one.payloadBase64, 'base64');
  const receivedAt = one.arrival === undefined ? ARRIVAL : Date.parse(one.arrival) * 1000;
  return { decoded: decoder.decode(route, payload, receivedAt), receivedAt };
}

function outcomeOf(decoded: Decoded): string {
  if (decoded.kind === 'readings') return decoded.rejected.length > 0 ? 'partial' : 'readings';
  return decoded.kind === 'rejected' ? decoded.reason : decoded.kind;
}

function proposedBy({ expected }: Case): RegExp {
  if (expected.action === 'accept') return /^readings$/;
  if (expected.action === 'accept-partial') return /^partial$/;
  return expected.action === 'ignore' ? /^ignored$/ : /^(invalid-json|invalid-utf8|not-a-number|not-an-object|clock-skew|no-metric)$/;
}

function allValues(decoded: Decoded): Map<string, Value[]> {
  const found = new Map<string, Value[]>();
  if (decoded.kind !== 'readings') return found;
  for (const { metrics, values } of decoded.readings) {
    for (const [index, name] of metrics.entries()) found.set(name, [...(found.get(name) ?? []), values[index] ?? '']);
  }
  return found;
}

describe.skipIf(!existsSync(MALFORMED))('malformed payloads (skipped where ../shared/data is missing)', () => {
  const cases = existsSync(MALFORMED) ? lines(MALFORMED) : [];
  it.each(cases.map((one) => [one.id, one.class, one] as const))('%s %s', (id, _class, one) => {
    const { decoded, receivedAt } = decodeCase(one);
    const otherwise = OTHERWISE[id];
    if (otherwise === undefined) expect(outcomeOf(decoded)).toMatch(proposedBy(one));
    else expect(outcomeOf(decoded), otherwise.because).toBe(otherwise.outcome);

    const found = allValues(decoded);
    if (decoded.kind === 'readings')
      for (const { metric, value } of one.expected.values) expect(found.get(metric), metric).toEqual([value]);
    for (const values of found.values()) for (const value of values) expect(value).not.toBeNaN();
    // Whatever a device's clock says, nothing lands in 1970 or in the future.
    if (decoded.kind !== 'readings') return;
    for (const { at } of decoded.readings) {
      expect(at === null || (at > Date.parse('2001-01-01') * 1000 && at <= receivedAt)).toBe(true);
      const stamp = one.expected.values[0]?.ts;
      if (stamp !== undefined) expect(at).toBe(Date.parse(stamp) * 1000);
    }
  });

  it('that carry an unset clock are marked', () => {
    const one = cases.find(({ id }) => id === 'malformed-063');
    if (one === undefined) return;
    const { decoded } = decodeCase(one);
    expect(decoded).toMatchObject({ readings: [{ at: null, flags: FLAG_CLOCK_SKEW }] });
  });
});

describe.skipIf(!existsSync(GENERIC))('plain JSON of real devices (skipped where ../shared/data is missing)', () => {
  const cases = existsSync(GENERIC)
    ? (lines(GENERIC) as unknown as (Case & { expect: { metric: string; value: Value; ts?: string }[] })[])
    : [];
  it.each(cases.map((one) => [one.id, one] as const))('%s', (_id, one) => {
    const { decoded } = decodeCase({ ...one, expected: { action: 'accept', values: [] } });
    expect(outcomeOf(decoded)).toBe('readings');
    if (decoded.kind !== 'readings') return;
    for (const { metric, value, ts } of one.expect) {
      const reading = decoded.readings.find(({ at, metrics, values }) => {
        const isTime = ts === undefined || (at !== null && Math.floor(at / 1000) === Date.parse(ts));
        return isTime && values[metrics.indexOf(metric)] === value;
      });
      expect(reading, `${metric} ${value} ${ts}`).toBeDefined();
    }
  });
});
