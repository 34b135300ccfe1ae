/** What messages become, in a form that reads well in a table. */
import { loadCodecs } from '../../../src/devices/codecs/codecs.ts';
import { createDecoder, type Decoder } from '../../../src/devices/decode.ts';
import { loadDirectory } from '../../../src/devices/directory.ts';
import { parseProfile } from '../../../src/devices/profile.ts';
import type { Profile } from '../../../src/domain/device.ts';
import type { Value } from '../../../src/domain/reading.ts';
import { type Clock, systemClock } from '../../../src/std/clock.ts';

export const RECEIVED_AT = Date.parse('2026-04-03T08:00:00Z') * 1000;

export function profileOf(text: string): Profile {
  const { parsed, problems } = parseProfile({ path: 'profile.yaml', text: `profile: p\n${text}` });
  if (parsed === null) throw new Error(problems.map((problem) => problem.render()).join('; '));
  return parsed.profile;
}

export function decoderOf(profile: string | null = null): Decoder {
  const profiles = profile === null ? [] : [profileOf(profile)];
  return createDecoder({ profiles, fleet: [], groups: [], unknown: 'accept' }, { devices: 100, metricsPerDevice: 500 });
}

export interface Seen {
  readonly device: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Null: the time of receipt. */
  readonly at: string | null;
  readonly values: Readonly<Record<string, Value>>;
}

/** Of a devices folder, with the scripts that its profiles name. */
export async function decoderOfFolder(
  folder: string,
  { clock = systemClock, before }: { clock?: Clock; before?: Decoder } = {},
): Promise<Decoder> {
  const { directory, problems } = loadDirectory(folder);
  if (problems.length > 0) throw new Error(problems.map((problem) => problem.render()).join('; '));
  const codecs = await loadCodecs(directory.profiles, clock);
  return createDecoder(directory, { devices: 100, metricsPerDevice: 500 }, before, codecs);
}

/** Readings; or `reason` where it was refused whole; or `nothing`. Reasons of parts stand beside the readings. */
export function decode(decoder: Decoder, topic: string, payload: unknown): { readings: Seen[]; refused: string[] } | string {
  const route = decoder.route(topic);
  if (route === null) return 'no route';
  const bytes = payload instanceof Uint8Array ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const decoded = decoder.decode(route, bytes, RECEIVED_AT);
  if (decoded.kind === 'rejected') return decoded.reason;
  if (decoded.kind !== 'readings') return decoded.kind === 'ignored' ? 'nothing' : decoded.kind;
  const readings = decoded.readings.map(({ device, at, metrics, values }) => ({
    device: device.id,
    labels: device.labels,
    at: at === null ? null : new Date(at / 1000).toISOString(),
    values: Object.fromEntries(metrics.map((name, index) => [name, values[index] ?? ''])),
  }));
  return { readings, refused: decoded.rejected.map(({ reason }) => reason) };
}

/** The values of the only reading. */
export function valuesOf(decoder: Decoder, topic: string, payload: unknown): Readonly<Record<string, Value>> | string {
  const decoded = decode(decoder, topic, payload);
  if (typeof decoded === 'string') return decoded;
  if (decoded.readings.length !== 1 || decoded.refused.length > 0) return JSON.stringify(decoded);
  return decoded.readings[0]?.values ?? {};
}
