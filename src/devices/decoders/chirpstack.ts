/**
 * ChirpStack, v4 and v3 in JSON. `up`: what the codec there made of the frame (`object`, in v3 also `objectJSON`), under its own names,
 * and `rxInfo.0.rssi` and `.snr` (v3: `.loRaSNR`) of each gateway. `status`: `margin`, `batteryLevel`, `externalPowerSource`.
 * `location`: `location.latitude` and so on. Joins, acknowledgements, logs and what other services say are of no sensor.
 *
 * A device is its EUI, as names are not unique there; the name is its label `name`.
 *
 * Source: https://www.chirpstack.io/docs/chirpstack/integrations/events.html and
 * https://www.chirpstack.io/application-server/integrations/events/ (v3).
 */
import { textOf } from './fields.ts';
import { type Format, type FormatMessage, type Part, readObject } from './format.ts';
import { isObject, type JsonObject, parseJson } from './json.ts';
import { locationOf, partOf, radioOf, readUplink } from './lorawan.ts';
import { lorawanUnit } from './lorawan-units.ts';
import { Refusal } from './value.ts';

/** The last level of topics on which no sensor speaks. */
const OTHERS = new Set(['join', 'ack', 'txack', 'log', 'error', 'integration', 'down']);
const NAME_LENGTH_MAX = 200;
const EUI = /^[0-9A-Fa-f]{16}$/;

export const chirpstack: Format = {
  name: 'chirpstack',
  topics: ['application/{application}/device/{device}/event/#', 'application/{application}/device/{device}/rx'],
  namesDevices: true,
  takesCodec: true,
  bearsTime: true,
  read(message) {
    const event = message.levels.at(-1) ?? '';
    if (OTHERS.has(event)) return [];
    const document = readObject(message.payload);
    if (document instanceof Refusal) return document;
    const source = sourceOf(document, message);
    if (event === 'status' || 'margin' in document) return [partOf(source, statusOf(document))];
    if (event === 'location' || isObject(document.location)) return [partOf(source, { location: locationOf(document.location) })];
    if ('rxInfo' in document || 'fPort' in document || 'data' in document) return readUp(document, source, message);
    const isKnown = isObject(document.deviceInfo) || 'devEUI' in document;
    return isKnown ? [] : new Refusal('parse-error', 'no event of ChirpStack: it has neither deviceInfo nor devEUI');
  },
  unitOf: lorawanUnit,
};

type Source = Pick<Part, 'device' | 'at'> & { readonly labels?: Readonly<Record<string, string>>; readonly at: unknown };

/** v4 has the device in `deviceInfo`, v3 in the message itself. */
function sourceOf(document: JsonObject, { match }: FormatMessage): Source {
  const info = isObject(document.deviceInfo) ? document.deviceInfo : document;
  const name = textOf(info.deviceName)?.slice(0, NAME_LENGTH_MAX);
  const at = document.time ?? document.publishedAt;
  const device = match.device ?? euiOf(textOf(info.devEui) ?? textOf(info.devEUI));
  return { device, at, ...(device !== null && name !== undefined && { labels: { name } }) };
}

/** v3 writes it in base64 where it writes JSON by the rules of Protocol Buffers. */
function euiOf(text: string | null): string | null {
  if (text === null || EUI.test(text)) return text;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 8 ? bytes.toString('hex') : text;
}

function readUp(document: JsonObject, source: Source, message: FormatMessage): readonly Part[] | Refusal {
  const { objectJSON } = document;
  const isText = message.codec === null && typeof objectJSON === 'string' && objectJSON !== '';
  const decoded = isText ? parseJson(objectJSON, 'exact') : document.object;
  if (decoded instanceof Refusal) return new Refusal(decoded.reason, `objectJSON: ${decoded.detail}`);
  const radio = { rxInfo: radioOf(document.rxInfo, ['rssi', 'snr', 'loRaSNR']) };
  return readUplink({ ...source, frame: document.data, port: document.fPort, decoded, radio }, message);
}

/** With a power supply of its own, or where the device cannot tell, a level of 0 stands for none. */
function statusOf({ margin, externalPowerSource, batteryLevelUnavailable, batteryLevel, battery }: JsonObject): JsonObject {
  const hasLevel = externalPowerSource !== true && batteryLevelUnavailable !== true;
  return { margin, externalPowerSource, ...(hasLevel && { batteryLevel, battery }) };
}
