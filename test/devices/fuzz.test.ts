/**
 * Whatever is sent, no format throws, hangs for 50 ms, changes a prototype, or yields what is no value. Payloads are those of the real
 * devices, where they are there, and of a few of our own, cut, flipped, spliced and repeated; topics are those of all formats.
 *
 * The seed is printed. 20,000 cases, 1,000,000 in the long tier; `FUZZ_CASES` and `FUZZ_SEED` say otherwise.
 */
import { describe, expect, it } from 'vitest';
import { createDecoder, type Decoded, type Decoder } from '../../src/devices/decode.ts';
import { FORMATS, MODULE } from '../../src/devices/formats.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import { CORPORA } from './corpus/all.ts';
import { bytesOf, isThere, rowsOf } from './corpus/corpus.ts';
import { Mutator } from './mutator.ts';

const CASES = Number(process.env.FUZZ_CASES ?? (process.env.TEST_TIER === 'long' ? 1_000_000 : 20_000));
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_124);
const CASE_MS_MAX = 50;
const NOW = Date.parse('2026-04-03T08:00:00Z') * 1000;

/** Small ones of our own, so that the run is worth something where ../shared/data is missing. */
const OWN_TEXTS: readonly Uint8Array[] = [
  '{"a":{"b":[1,2,{"c":"x"}]},"ts":1559673838361,"v":"21,5"}',
  '[{"bn":"urn:dev:ow:1:","bt":1.5e9,"n":"t","u":"Cel","v":21.5},{"n":"h","vb":true}]',
  'm,device=a t=1.5,b=true,s="x" 1556813561098000000',
  '{"temperature":"nan","state":"ON","battery":null}',
  '21.5',
  'online',
].map((text) => Buffer.from(text));
const OWN_BYTES: readonly Uint8Array[] = [
  // SenML in CBOR: two records, with base name, base time and a time of its own.
  'gqUAYXQBY0NlbAL5TWAhYmQ6IhppgA6AowBhaAT1BiQ=',
  // Sparkplug B: a birth with an alias, a property, a template and a data set; then what the alias says.
  'CIDY7JLVMxIoCghJbnB1dHMvQRABIANQ+////w9KEgoHZW5nVW5pdBIHCAxCA2JhchIYCgN1ZHQgE5IBDhIMCgF4aQAAAAAAAPg/EhgKA3NldCAQigEOCAESAWMaAQMiBAoCCAcYAA==',
  'CIDY7JLVMxIEEAFQBQ==',
].map((text) => Buffer.from(text, 'base64'));
/** Of formats that go by more of the topic than a level or two. */
const OWN_TOPICS = ['spBv1.0/g/NBIRTH/e', 'spBv1.0/g/NDATA/e', 'spBv1.0/g/DBIRTH/e/d', 'spBv1.0/g/NDEATH/e'];

const corpora = CORPORA.filter(({ file }) => isThere(file));
const seeds = [
  ...OWN_TEXTS,
  ...OWN_BYTES,
  ...corpora.flatMap((corpus) => rowsOf(corpus.file).map((row) => corpus.payloadOf?.(row) ?? bytesOf(row))),
];
const realTopics = corpora.flatMap((corpus) => rowsOf(corpus.file).flatMap((row) => row.topic ?? []));

/** One decoder with a profile for each format on a topic of its own, so that each reads whatever comes. */
function decoderOfAll(): { decoder: Decoder; topics: string[] } {
  // A module is a user's own script: test/devices/codecs has those.
  const names = ['json', 'scalar', ...FORMATS.filter((format) => format !== MODULE).map(({ name }) => name)];
  const profiles = names.map((name) => {
    const metrics = name === 'scalar' ? 'metrics: {value: {}}' : 'metrics: {temperature: {range: [-40, 60]}, battery: {type: text}}';
    const { parsed, problems } = parseProfile({
      path: name,
      text: `profile: ${name}\ntopic: "fuzz/${name}/{device}/#"\ndecode: ${name}\n${metrics}`,
    });
    if (parsed === null) throw new Error(problems.map((problem) => problem.render()).join());
    return parsed.profile;
  });
  const decoder = createDecoder({ profiles, fleet: [], groups: [], unknown: 'accept' }, { devices: 5000, metricsPerDevice: 500 });
  const own = names.flatMap((name) => [`fuzz/${name}/d`, `fuzz/${name}/d/SENSOR`, `fuzz/${name}/d/a/b`]);
  const builtIn = FORMATS.flatMap(({ topics }) => topics.map((topic) => topic.replace(/\{\w+\}/g, 'x').replace('#', 'y/z')));
  return { decoder, topics: [...own, ...builtIn, ...OWN_TOPICS, ...realTopics] };
}

function check(decoded: Decoded): void {
  if (decoded.kind !== 'readings') return;
  if (decoded.readings.length === 0 || decoded.readings.length > 1000) throw new Error(`${decoded.readings.length} readings`);
  for (const { device, at, metrics, values } of decoded.readings) {
    if (values.length === 0 || values.length !== metrics.length) throw new Error('values without names, or none');
    if (new Set(metrics).size !== metrics.length) throw new Error(`a name twice: ${metrics.join()}`);
    if (device.id === '' || metrics.some((name) => name === '' || name === '__proto__')) throw new Error(`names: ${device.id} ${metrics}`);
    if (at !== null && !Number.isSafeInteger(at)) throw new Error(`at ${at}`);
    for (const value of values) {
      const isValue = typeof value === 'number' ? Number.isFinite(value) : typeof value === 'string' || typeof value === 'boolean';
      if (!isValue) throw new Error(`a value that is none: ${String(value)}`);
    }
  }
}

const globals = (): string =>
  [Object, Array, String, Number, Function, Map].map(({ prototype }) => Object.getOwnPropertyNames(prototype).join()).join('|');

describe(`formats under fire (FUZZ_SEED=${SEED})`, () => {
  it(`${CASES.toLocaleString('en')} mutated payloads`, { timeout: 60_000 + CASES }, () => {
    const { decoder, topics } = decoderOfAll();
    const mutator = new Mutator(SEED, seeds);
    const before = globals();
    const slow: string[] = [];
    let readings = 0;
    let rejections = 0;
    for (let index = 0; index < CASES; index++) {
      const topic = topics[mutator.below(topics.length)] ?? '';
      const payload = mutator.payload();
      const what = (): string => `case ${index}: ${topic} ${Buffer.from(payload).toString('base64')}`;
      const startedMs = performance.now();
      try {
        const route = decoder.route(topic);
        if (route === null) continue;
        const decoded = decoder.decode(route, payload, NOW, 'client');
        const tookMs = performance.now() - startedMs;
        // Once may be the machine's; the same again is ours.
        if (tookMs > CASE_MS_MAX && again(decoder, topic, payload) > CASE_MS_MAX) slow.push(`${what()} took ${tookMs} ms`);
        check(decoded);
        if (decoded.kind === 'readings') readings += 1;
        if (decoded.kind === 'rejected') rejections += 1;
      } catch (cause) {
        throw new Error(what(), { cause });
      }
    }
    expect(slow).toEqual([]);
    expect(globals()).toBe(before);
    // The cases were worth it: some get through, some do not.
    expect(readings).toBeGreaterThan(CASES / 50);
    expect(rejections).toBeGreaterThan(CASES / 50);
  });
});

function again(decoder: Decoder, topic: string, payload: Uint8Array): number {
  const route = decoder.route(topic);
  const startedMs = performance.now();
  if (route !== null) decoder.decode(route, payload, NOW, 'client');
  return performance.now() - startedMs;
}
