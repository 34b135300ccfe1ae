/**
 * What The Things Stack and ChirpStack have in common: a LoRaWAN frame in base64, most often with what the network server's own codec
 * made of it, and how well each gateway heard it. A profile's codec is asked instead of theirs; where it refuses, so is the message.
 *
 * A value that stands as `{"displayName": "Air temperature", "value": 21.5, "unit": "°C"}`, as Decentlab's codecs write it, has the name of
 * the object, and that unit.
 */
import type { FormatMessage, Part } from './format.ts';
import { isObject, type JsonObject } from './json.ts';
import { Refusal } from './value.ts';

export interface Uplink {
  readonly device: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  /** As it stands in the message. */
  readonly at: unknown;
  /** In base64; what is no text is no frame. */
  readonly frame: unknown;
  readonly port: unknown;
  /** What the network server's codec made of the frame. */
  readonly decoded: unknown;
  /** How the frame was received: always kept. */
  readonly radio: JsonObject;
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
const GATEWAYS_MAX = 10;
const LOCATION = ['latitude', 'longitude', 'altitude', 'accuracy'];

export function readUplink(uplink: Uplink, message: FormatMessage): readonly Part[] | Refusal {
  const said = contentsOf(uplink, message);
  if (said instanceof Refusal) return said;
  const parts: Part[] = [];
  let hasRadio = Object.keys(uplink.radio).length === 0;
  for (const part of said) {
    const { values, units } = named(part.values);
    const isOfFrame = part.device === null && (part.at === undefined || part.at === null);
    parts.push({
      ...part,
      ...(part.device === null && uplink.labels !== undefined && { labels: uplink.labels }),
      device: part.device ?? uplink.device,
      at: part.at ?? uplink.at,
      values: isOfFrame && !hasRadio ? { ...values, ...uplink.radio } : values,
      units: { ...units, ...part.units },
    });
    hasRadio ||= isOfFrame;
  }
  if (!hasRadio) parts.push(partOf(uplink, uplink.radio));
  return parts;
}

/** What a message says beside its frame. */
export const partOf = ({ device, labels, at }: Pick<Uplink, 'device' | 'labels' | 'at'>, values: JsonObject): Part => ({
  device,
  ...(labels !== undefined && { labels }),
  at,
  values,
});

/** `{"0": {"rssi": -35, "snr": 5}}` of a list of gateways. */
export function radioOf(gateways: unknown, names: readonly string[]): JsonObject {
  const found: Record<string, JsonObject> = {};
  if (!Array.isArray(gateways)) return found;
  for (const [index, gateway] of gateways.slice(0, GATEWAYS_MAX).entries()) {
    if (!isObject(gateway)) continue;
    const heard = names.flatMap((name) => (typeof gateway[name] === 'number' ? [[name, gateway[name]]] : []));
    if (heard.length > 0) found[index] = Object.fromEntries(heard);
  }
  return found;
}

/** Where it came from is no reading. */
export function locationOf(location: unknown): JsonObject {
  if (!isObject(location)) return {};
  return Object.fromEntries(LOCATION.flatMap((name) => (typeof location[name] === 'number' ? [[name, location[name]]] : [])));
}

function contentsOf({ frame, port, decoded, at }: Uplink, message: FormatMessage): readonly Part[] | Refusal {
  const { codec } = message;
  // Frames that carry MAC commands only have no payload, and nothing to decode.
  if (codec === null || typeof frame !== 'string' || frame === '') return isObject(decoded) ? [{ device: null, values: decoded }] : [];
  if (!BASE64.test(frame)) return new Refusal('invalid-base64', 'the frame is not base64');
  return codec({
    bytes: Buffer.from(frame, 'base64'),
    port: typeof port === 'number' ? port : null,
    receivedAt: microsecondsOf(at) ?? message.receivedAt,
    topic: message.topic,
  });
}

function microsecondsOf(text: unknown): number | null {
  const time = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time * 1000;
}

function named(values: JsonObject): { values: JsonObject; units: Record<string, string> } {
  const units: Record<string, string> = {};
  if (!Object.values(values).some(isQuantity)) return { values, units };
  const plain = Object.entries(values).map(([name, quantity]): [string, unknown] => {
    if (!isQuantity(quantity)) return [name, quantity];
    if (typeof quantity.unit === 'string') units[name] = quantity.unit;
    return [name, quantity.value];
  });
  return { values: Object.fromEntries(plain), units };
}

function isQuantity(value: unknown): value is { readonly value: unknown; readonly unit?: unknown } {
  if (!isObject(value) || value.value === undefined || (typeof value.value === 'object' && value.value !== null)) return false;
  return typeof value.unit === 'string' || typeof value.displayName === 'string';
}
