/**
 * A message that was kept in the quarantine, decoded again by the present profiles, with its own time of receipt.
 *
 * What comes of it goes to history alone, or before rules as well: as a reading that comes late, at its own time, and a sign of life of now.
 * Values that were accepted then are written again, under the same time: history knows them by device, metric and time, so that they
 * change nothing, or are mended with the rest. So does a second replay.
 *
 * It teaches nothing: what newer messages have said since holds.
 */
import type { Decoded, DecodedReading, Decoder } from '../devices/decode.ts';
import { parseJson } from '../devices/decoders/json.ts';
import { FLAG_DEVICE_TIME, type Rejection, type Value } from '../domain/reading.ts';
import type { BatchWriter } from '../journal/batch.ts';

export type Replayed =
  /** Nothing is rejected any more: it may leave the quarantine. No readings: there is nothing to keep. */
  | { readonly kind: 'replayed'; readonly readings: number }
  /** Something is rejected still, and what else it held has been put in. */
  | { readonly kind: 'kept'; readonly readings: number; readonly reason: string; readonly detail: string; readonly partial: boolean };

const DETAIL_LENGTH_MAX = 2000;

/** Puts what the message became into the batch. */
export function replayInto(
  writer: BatchWriter,
  kept: Rejection,
  { decoder, now, rules }: { readonly decoder: Decoder; readonly now: number; readonly rules: boolean },
): Replayed {
  const decoded = decoder.learned.held(() => decodeAgain(decoder, kept));
  if (decoded.kind === 'ignored') return { kind: 'replayed', readings: 0 };
  if (decoded.kind === 'refused')
    return { kind: 'kept', readings: 0, reason: 'unknown-device', detail: decoded.detail, partial: kept.partial };
  if (decoded.kind === 'rejected') return { ...stillRejected([decoded]), readings: 0, partial: kept.partial };
  const { readings, rejected } = decoded;
  if (isAsBefore(kept, rejected)) return { kind: 'kept', readings: 0, reason: kept.reason, detail: kept.detail, partial: true };
  const times = new Times(kept.receivedAt);
  for (const reading of readings) {
    const { device, metrics, values } = reading;
    const at = times.of(reading);
    // A rule takes only what bears a time for late: else what is old would count as what is new.
    if (rules) writer.addReading(device, metrics, values, { at, receivedAt: now, flags: reading.flags | FLAG_DEVICE_TIME });
    else writer.addForHistory(device, metrics, values, { at, receivedAt: now, flags: reading.flags });
  }
  if (rejected.length > 0) return { ...stillRejected(rejected), readings: readings.length, partial: true };
  return { kind: 'replayed', readings: readings.length };
}

function decodeAgain(decoder: Decoder, { topic, payload, client, receivedAt, device }: Rejection): Decoded {
  if (topic === '') return decodePosted(decoder, payload, receivedAt);
  const route = decoder.route(topic);
  if (route !== null) return decoder.decode(route, payload, receivedAt, client === '' ? null : client);
  return { kind: 'rejected', device, reason: 'no-sensor-topic', detail: 'by the present profiles no sensor speaks on this topic' };
}

/** What came over HTTP, or what history refused, is kept as it was posted: values under their metrics' names. */
function decodePosted(decoder: Decoder, payload: Uint8Array, receivedAt: number): Decoded {
  const posted = parseJson(Buffer.from(payload).toString('utf8'), 'double');
  if (typeof posted !== 'object' || posted === null || !('device' in posted) || !('values' in posted)) return NOT_POSTED;
  const { device, values } = posted;
  if (typeof device !== 'string' || typeof values !== 'object' || values === null) return NOT_POSTED;
  const at = 'at' in posted && typeof posted.at === 'number' ? posted.at : null;
  const named = Object.entries(values).filter((entry): entry is [string, Value] => isValue(entry[1]));
  return decoder.decodeValues(device, Object.fromEntries(named), { at, receivedAt });
}

const NOT_POSTED: Decoded = { kind: 'rejected', device: null, reason: 'invalid-json', detail: 'it is no reading that was posted' };

const isValue = (value: unknown): boolean => typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string';

/** Nothing has been mended that concerns it: what was accepted then need not be written again. */
const isAsBefore = (kept: Rejection, rejected: readonly { reason: string; detail: string }[]): boolean =>
  kept.partial && rejected.some(({ reason, detail }) => reason === kept.reason && detail === kept.detail);

function stillRejected(rejected: readonly { reason: string; detail: string }[]): { kind: 'kept'; reason: string; detail: string } {
  const detail = rejected.map((one) => one.detail).join('; ');
  return { kind: 'kept', reason: rejected[0]?.reason ?? '', detail: detail.slice(0, DETAIL_LENGTH_MAX) };
}

/** As the ingest gives them: the device's own, else that of receipt, a microsecond apart for each device. */
class Times {
  readonly #receivedAt: number;
  readonly #next = new Map<string, number>();

  constructor(receivedAt: number) {
    this.#receivedAt = receivedAt;
  }

  of({ device, at, flags }: DecodedReading): number {
    if (at !== null && (flags & FLAG_DEVICE_TIME) !== 0) return at;
    const next = this.#next.get(device.id) ?? this.#receivedAt;
    this.#next.set(device.id, next + 1);
    return next;
  }
}
