/**
 * OwnTracks: where phones and trackers are. A device is `user/device`, the two levels after the prefix; `{device}` in a topic goes before that.
 * Locations, transitions (`event`, `desc`: which place was entered or left) and steps are readings. The will that the broker publishes when a phone is
 * gone is its availability; the next message of the phone ends it, as nothing else would. Waypoints, cards and commands are none.
 *
 * Source: https://owntracks.org/booklet/tech/json/
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { leaveOut } from './fields.ts';
import { type Format, type FormatMessage, type Learned, type Part, readObject } from './format.ts';
import type { JsonObject } from './json.ts';
import { Refusal } from './value.ts';

/** Ids, names and addresses, other times than that of the position, and what stands on a map or in a picture. */
const NO_READINGS = new Set(
  (
    '_type _id tid tst wtst created_at sent isotst disptst isorcv topic username device SSID BSSID rid inrids imei vin name face poi tag image imagename ' +
    'raw_line can rit rty count mcc mnc lac cid ghash cc addr tzname isolocal from to'
  ).split(' '),
);
const READINGS = new Set(['location', 'transition', 'steps']);
const UNITS: ReadonlyMap<string, string> = new Map(
  'lat °|lon °|acc m|alt m|vac m|rad m|dist m|trip m|vel km/h|cog °|batt %|p kPa|odometer km|ubatt V|uext V|aiv V|don s|doff s|hmc s|flvl %'
    .split('|')
    .map((pair) => {
      const [name = '', unit = ''] = pair.split(' ');
      return [name, unit];
    }),
);

export const owntracks: Format = {
  name: 'owntracks',
  topics: ['owntracks/{user}/{tracker}/#'],
  namesDevices: true,
  bearsTime: true,
  read(message, learned) {
    const document = readObject(message.payload);
    if (document instanceof Refusal) return document;
    const type = document._type;
    if (type === 'encrypted')
      return new Refusal(
        'encrypted',
        'the app encrypts what it sends: remove the encryption key in its connection settings, and use TLS instead',
      );
    if (type === 'lwt') return readWill(message, learned);
    return typeof type === 'string' && READINGS.has(type) ? readPosition(message, document, learned) : [];
  },
  unitOf: (metric) => UNITS.get(metric) ?? (metric.startsWith('temp_c-') ? '°C' : null),
};

function deviceOf({ levels, match }: FormatMessage): string | null {
  if (match.device !== null) return null;
  return levels
    .slice(0, levels.length - match.rest.length)
    .slice(-2)
    .join('/');
}

const goneKey = (message: FormatMessage): string => `owntracks ${deviceOf(message) ?? message.match.device}`;

/** Its `tst` is when the phone connected, not when it was lost. */
function readWill(message: FormatMessage, learned: Learned): readonly Part[] {
  learned.set(goneKey(message), true);
  return [{ device: deviceOf(message), values: { [AVAILABILITY]: false } }];
}

function readPosition(message: FormatMessage, document: JsonObject, learned: Learned): readonly Part[] {
  const device = deviceOf(message);
  // Steps of -1: the phone cannot count them.
  const part: Part = { device, at: document.tst, values: document.steps === -1 ? {} : leaveOut(document, NO_READINGS) };
  const key = goneKey(message);
  if (learned.get(key) === undefined) return [part];
  learned.set(key, null);
  // Now, whenever the position was taken.
  return [part, { device, values: { [AVAILABILITY]: true } }];
}
