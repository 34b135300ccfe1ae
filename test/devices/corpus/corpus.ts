/**
 * Real payloads with the values that their devices meant (`../shared/data/mqtt`), put through the decoder. A corpus is one file there;
 * what its names are with us, and which profile it needs, stands in one file here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { loadCodecs } from '../../../src/devices/codecs/codecs.ts';
import type { ReadScript } from '../../../src/devices/codecs/script-file.ts';
import { createDecoder, type Decoded, type Decoder } from '../../../src/devices/decode.ts';
import { parseProfile } from '../../../src/devices/profile.ts';
import type { DeviceDirectory, Profile } from '../../../src/domain/device.ts';
import type { Value } from '../../../src/domain/reading.ts';
import { systemClock } from '../../../src/std/clock.ts';

const DATA = '../shared/data/mqtt';
const ARRIVAL = Date.parse('2026-04-03T08:00:00Z') * 1000;
const SECOND = 1_000_000;

export interface Expected {
  readonly device: string;
  readonly metric: string;
  readonly value: Value;
  readonly unit?: string;
  /** RFC 3339; compared to the millisecond. */
  readonly ts?: string;
  readonly tol?: number;
}

export interface Row {
  readonly id: string;
  readonly topic: string | null;
  readonly payload?: string | null;
  readonly payloadBase64?: string;
  readonly kind?: string;
  readonly note?: string;
  readonly expect: readonly Expected[];
  readonly [key: string]: unknown;
}

export interface Corpus {
  /** The file, without `.jsonl`. */
  readonly file: string;
  /** The profile under which the row is decoded, as YAML without its name; null: none is needed. */
  profileOf?(row: Row): string | null;
  /** The scripts that its profiles name. */
  readonly readScript?: ReadScript;
  /** Where the row shows no topic, or one that is not its sender's. */
  topicOf?(row: Row): string;
  /** The bytes that are published, where the row holds what is inside a message. */
  payloadOf?(row: Row): Uint8Array;
  /** What we call it. By default as the row does. `unit: null` where only a profile can know it. */
  nameOf?(expected: Expected, row: Row): { readonly device?: string; readonly metric?: string; readonly unit?: string | null };
  /** Why a row cannot hold, by its id. */
  readonly not?: Readonly<Record<string, string>>;
  /** True: earlier rows teach the decoder what later ones need (discovery, births). */
  readonly isOneStory?: true;
}

export interface Outcome {
  readonly row: Row;
  readonly decoded: Decoded | null;
  /** One sentence for each expectation that does not hold. */
  readonly misses: readonly string[];
}

export const isThere = (file: string): boolean => existsSync(`${DATA}/${file}.jsonl`);

export const rowsOf = (file: string): Row[] =>
  readFileSync(`${DATA}/${file}.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

export async function runCorpus(corpus: Corpus): Promise<Outcome[]> {
  let decoder: Decoder | null = null;
  const outcomes: Outcome[] = [];
  for (const row of rowsOf(corpus.file)) {
    const profile = profileFor(corpus, row);
    if (decoder === null || corpus.isOneStory !== true) {
      const profiles = profile === null ? [] : [profile];
      const codecs = await loadCodecs(profiles, systemClock);
      const directory: DeviceDirectory = { profiles, fleet: [], groups: [], unknown: 'accept' };
      decoder = createDecoder(directory, { devices: 1000, metricsPerDevice: 500 }, undefined, codecs);
    }
    outcomes.push(runRow(corpus, row, { decoder, profile }));
  }
  return outcomes;
}

function profileFor(corpus: Corpus, row: Row): Profile | null {
  const text = corpus.profileOf?.(row) ?? null;
  if (text === null) return null;
  const { parsed, problems } = parseProfile({ path: row.id, text: `profile: p\n${text}` }, corpus.readScript);
  if (parsed === null) throw new Error(`${row.id}: ${problems.map((problem) => problem.render()).join('; ')}`);
  return parsed.profile;
}

function runRow(corpus: Corpus, row: Row, { decoder, profile }: { decoder: Decoder; profile: Profile | null }): Outcome {
  const topic = corpus.topicOf?.(row) ?? row.topic ?? 'nowhere';
  const payload = corpus.payloadOf?.(row) ?? bytesOf(row);
  const stamps = row.expect.flatMap(({ ts }) => (ts === undefined ? [] : [Date.parse(ts) * 1000]));
  const receivedAt = stamps.length === 0 ? ARRIVAL : Math.max(...stamps) + SECOND;
  const route = decoder.route(topic);
  const decoded = route === null ? null : decoder.decode(route, payload, receivedAt);
  const misses = row.expect.flatMap((expected) => {
    const name = { ...expected, ...corpus.nameOf?.(expected, row) };
    const miss = missOf(decoded, { ...name, expected }, { decoder, profile, receivedAt });
    return miss === null ? [] : [miss];
  });
  return { row, decoded, misses };
}

export const bytesOf = ({ payload, payloadBase64 }: Row): Uint8Array =>
  payloadBase64 === undefined ? Buffer.from(payload ?? '') : Buffer.from(payloadBase64, 'base64');

interface Named {
  readonly device: string;
  readonly metric: string;
  readonly unit?: string | null;
  readonly expected: Expected;
}

function missOf(
  decoded: Decoded | null,
  { device, metric, unit, expected }: Named,
  { decoder, profile, receivedAt }: { decoder: Decoder; profile: Profile | null; receivedAt: number },
): string | null {
  const what = `${device} ${metric} = ${JSON.stringify(expected.value)}`;
  if (decoded?.kind !== 'readings') return `${what}: ${decoded === null ? 'no sensor’s topic' : decoded.kind}`;
  const found = decoded.readings.flatMap(({ device: { id }, at, metrics, values }) =>
    metrics.flatMap((name, index) => (name === metric && id === device ? [{ at: at ?? receivedAt, value: values[index] }] : [])),
  );
  const same = found.filter(({ value }) => isSame(value, expected));
  if (same.length === 0) {
    const seen = decoded.readings.flatMap(({ device: { id }, metrics }) => metrics.map((name) => `${id} ${name}`));
    return `${what}: found ${JSON.stringify(found.map(({ value }) => value))} among ${seen.join(', ')}`;
  }
  const { ts } = expected;
  if (ts !== undefined && !same.some(({ at }) => Math.floor(at / 1000) === Math.floor(Date.parse(ts))))
    return `${what}: at ${same.map(({ at }) => new Date(at / 1000).toISOString()).join(', ')}, not ${ts}`;
  if (unit === undefined || unit === null) return null;
  const known = profile?.metrics.find(({ name }) => name === metric)?.unit ?? decoder.learned.description(device).units[metric];
  return known === unit ? null : `${what}: in ${known ?? 'no unit'}, not ${unit}`;
}

function isSame(value: Value | undefined, { value: wanted, tol = 1e-9 }: Expected): boolean {
  if (typeof wanted !== 'number') return value === wanted;
  return typeof value === 'number' && Math.abs(value - wanted) <= Math.max(tol, Math.abs(wanted) * 1e-12);
}
