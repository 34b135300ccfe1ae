/** What becomes of a message on a format's own topic, or under a profile: for the table tests of the formats. */
import { createDecoder, type Decoder } from '../../../src/devices/decode.ts';
import { parseProfile } from '../../../src/devices/profile.ts';

export const ARRIVAL = Date.parse('2026-04-03T08:00:00Z') * 1000;

export interface Spoken {
  /** `readings`, `ignored`, the reason of a rejection, or null: no sensor's topic. */
  readonly outcome: string | null;
  /** By device and metric, `device metric`; where one came more than once, the last. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Device times as RFC 3339, one for each reading that has one. */
  readonly times: readonly string[];
  /** Reasons of what else the message held. */
  readonly refused: readonly string[];
}

/** @param profile YAML without its name; null: none */
export function decoderWith(profile: string | null): Decoder {
  const read = profile === null ? null : parseProfile({ path: 'p', text: `profile: p\n${profile}` });
  if (read !== null && read.parsed === null) throw new Error(read.problems.map((problem) => problem.render()).join('; '));
  const profiles = read?.parsed == null ? [] : [read.parsed.profile];
  return createDecoder({ profiles, fleet: [], groups: [], unknown: 'accept' }, { devices: 100, metricsPerDevice: 100 });
}

export function speak(decoder: Decoder, topic: string, payload: unknown, client: string | null = null): Spoken {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const route = decoder.route(topic);
  if (route === null) return { outcome: null, values: {}, times: [], refused: [] };
  const decoded = decoder.decode(route, bytes, ARRIVAL, client);
  if (decoded.kind !== 'readings')
    return { outcome: decoded.kind === 'rejected' ? decoded.reason : decoded.kind, values: {}, times: [], refused: [] };
  return {
    outcome: 'readings',
    values: Object.fromEntries(
      decoded.readings.flatMap(({ device, metrics, values }) => metrics.map((name, index) => [`${device.id} ${name}`, values[index]])),
    ),
    times: decoded.readings.flatMap(({ at }) => (at === null ? [] : [new Date(at / 1000).toISOString()])),
    refused: decoded.rejected.map(({ reason }) => reason),
  };
}

export const spoken = (topic: string, payload: unknown, profile: string | null = null): Spoken =>
  speak(decoderWith(profile), topic, payload);
