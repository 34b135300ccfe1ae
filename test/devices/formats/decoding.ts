/** For the tests of one format: its messages through the whole decoder, and readings as plain data. */
import { createDecoder, type Decoded, type Decoder } from '../../../src/devices/decode.ts';
import { parseProfile } from '../../../src/devices/profile.ts';
import type { Value } from '../../../src/domain/reading.ts';

export const NOW = Date.parse('2026-03-01T00:00:00Z') * 1000;

/** @param profiles as YAML */
export function decoderWith(...profiles: string[]): Decoder {
  const parsed = profiles.map((text) => {
    const result = parseProfile({ path: 'p', text });
    if (result.parsed === null) throw new Error(result.problems.map((problem) => problem.render()).join('\n'));
    return result.parsed.profile;
  });
  return createDecoder({ profiles: parsed, fleet: [], groups: [], unknown: 'accept' }, { devices: 10_000, metricsPerDevice: 1000 });
}

export function decode(decoder: Decoder, topic: string, payload: string | Uint8Array): Decoded {
  const route = decoder.route(topic);
  if (route === null) throw new Error(`${topic} is no sensor's topic`);
  return decoder.decode(route, typeof payload === 'string' ? Buffer.from(payload) : payload, NOW);
}

/** Device → values of each of its readings in turn; or the reason for which there are none. */
export function readingsOf(decoded: Decoded): Record<string, Record<string, Value>[]> | string {
  if (decoded.kind === 'rejected') return decoded.reason;
  if (decoded.kind !== 'readings') return decoded.kind;
  const found: Record<string, Record<string, Value>[]> = {};
  for (const { device, metrics, values } of decoded.readings) {
    const reading = Object.fromEntries(metrics.map((name, index) => [name, values[index] ?? 'missing']));
    found[device.id] = [...(found[device.id] ?? []), reading];
  }
  return found;
}

export const reasonsOf = (decoded: Decoded): string[] => (decoded.kind === 'readings' ? decoded.rejected.map(({ reason }) => reason) : []);

/** ISO times of the readings; null: the time of receipt. */
export const timesOf = (decoded: Decoded): (string | null)[] =>
  decoded.kind === 'readings' ? decoded.readings.map(({ at }) => (at === null ? null : new Date(at / 1000).toISOString())) : [];
