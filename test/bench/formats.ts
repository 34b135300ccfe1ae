/**
 * `npm run bench -- formats`: what decoding costs, format by format, over the real payloads of `../shared/data`. In one process, without
 * a broker; beside it what JSON.parse of the same text costs, where it is JSON, so that the machine's own speed cancels out.
 */
import { createDecoder } from '../../src/devices/decode.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import { CORPORA } from '../devices/corpus/all.ts';
import { bytesOf, type Corpus, isThere, type Row, rowsOf } from '../devices/corpus/corpus.ts';

const NOW = Date.parse('2026-04-03T08:00:00Z') * 1000;
const ROUND_MS = 60;
const ROUNDS = 9;

interface Prepared {
  /** Decodes once, and says how many values came of it. */
  run(): number;
  /** Null: it is no JSON. */
  readonly text: string | null;
}

/** Prints a row for each corpus; the exit status. */
export function benchFormats(): number {
  process.stdout.write(`${['format'.padEnd(24), 'rows', 'values', '  µs/message', '  µs/value', '  JSON.parse', '  ratio'].join('  ')}\n`);
  for (const corpus of CORPORA) {
    if (!isThere(corpus.file)) continue;
    const all = rowsOf(corpus.file)
      .map((row) => prepare(corpus, row))
      .filter((one) => one !== null);
    const prepared = all.filter((one) => one.run() > 0);
    if (prepared.length === 0) continue;
    const values = prepared.reduce((sum, one) => sum + one.run(), 0);
    const decodeUs = fastestUs(() => prepared.reduce((sum, one) => sum + one.run(), 0)) / prepared.length;
    const texts = prepared.flatMap(({ text }) => (text === null ? [] : [text]));
    const isJson = texts.length === prepared.length;
    const parseUs = isJson
      ? fastestUs(() => texts.reduce((sum, text) => sum + (JSON.parse(text) === null ? 1 : 0), 0)) / texts.length
      : null;
    process.stdout.write(
      `${[
        corpus.file.padEnd(24),
        String(prepared.length).padStart(4),
        String(values).padStart(6),
        decodeUs.toFixed(2).padStart(12),
        ((decodeUs * prepared.length) / values).toFixed(2).padStart(10),
        (parseUs?.toFixed(2) ?? '').padStart(12),
        (parseUs === null ? '' : (decodeUs / parseUs).toFixed(1)).padStart(7),
      ].join('  ')}\n`,
    );
  }
  return 0;
}

/** A decoder of its own for each row, as rows of one corpus may need different profiles. Null: not a sensor's topic. */
function prepare(corpus: Corpus, row: Row): Prepared | null {
  const profileText = corpus.profileOf?.(row) ?? null;
  const parsed = profileText === null ? null : parseProfile({ path: row.id, text: `profile: p\n${profileText}` }).parsed;
  const profiles = parsed === null ? [] : [parsed.profile];
  const decoder = createDecoder({ profiles, fleet: [], groups: [], unknown: 'accept' }, { devices: 0, metricsPerDevice: 0 });
  const topic = corpus.topicOf?.(row) ?? row.topic ?? 'nowhere';
  const payload = corpus.payloadOf?.(row) ?? bytesOf(row);
  if (decoder.route(topic) === null) return null;
  return {
    run() {
      const route = decoder.route(topic);
      const decoded = route === null ? null : decoder.decode(route, payload, NOW);
      return decoded?.kind === 'readings' ? decoded.readings.reduce((sum, { values }) => sum + values.length, 0) : 0;
    },
    text: jsonText(payload),
  };
}

function jsonText(payload: Uint8Array): string | null {
  const text = Buffer.from(payload).toString('utf8');
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** µs of one call: the fastest of several rounds, as anything slower had company. */
function fastestUs(call: () => number): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now();
    let calls = 0;
    while (performance.now() - startedMs < ROUND_MS) {
      call();
      calls += 1;
    }
    fastest = Math.min(fastest, ((performance.now() - startedMs) * 1000) / calls);
  }
  return fastest;
}
