/**
 * InfluxDB line protocol, as Telegraf and many gateways publish it. Every series has a device and a metric of its own, so that no two
 * are ever taken for one:
 *
 * A metric is the field's key. A device is the tag `device`, `device_id`, `sensor` or `sensor_id` (the names by which lines commonly say
 * which thing they are of); else the device in the topic; else the series itself, `cpu,host=two words`. Where Telegraf's `host` is among
 * the tags, `device` and `sensor` name a part of that host (`disk,device=sda1,host=a`), which is unique only with all its tags.
 *
 * A short name may be that of several series: other measurements or other tags with the same field. The first one keeps the name; what
 * the others say under the same field goes under the name of their series. The tags are labels.
 */
import { type Format, type FormatMessage, type Learned, type Part, readText, withRefusals } from './format.ts';
import { keyed } from './json.ts';
import { LineReader, type Point } from './line-protocol.ts';
import { Refusal } from './value.ts';

const DEVICE_TAGS = ['device', 'device_id', 'sensor', 'sensor_id'] as const;
const HOST_TAG = 'host';
/** One more than is kept of a message: the decoder tells what is too much. */
const PARTS_MAX = 1001;
const REFUSALS_MAX = 1000;
/** Fields of one device whose series is remembered; what comes beyond goes by the name of its series. */
const CLAIMS_MAX = 200;
const LABELS_MAX = 16;
const LABEL_NAME = /^[A-Za-z][\w-]{0,63}$/;

export const influx: Format = {
  name: 'influx',
  topics: ['telegraf/#', 'influx/#'],
  namesDevices: true,
  bearsTime: true,
  read(message, learned) {
    const text = readText(message.payload);
    if (text instanceof Refusal) return text;
    const lines = new LineReader(text);
    const parts: Part[] = [];
    const refusals: Refusal[] = [];
    while (parts.length < PARTS_MAX && refusals.length < REFUSALS_MAX) {
      const point = lines.next();
      if (point === null) break;
      if (point instanceof Refusal) refusals.push(point);
      else parts.push(...partsOf(point, message, learned));
    }
    return withRefusals(parts, refusals);
  },
};

/** Two, where some of the fields are another series' under the short name. */
function partsOf(point: Point, { match }: FormatMessage, learned: Learned): Part[] {
  const tag = deviceTag(point);
  const short = tag === null ? match.device : tag[1];
  const series = seriesKey(point, null);
  const labels = labelsOf(point, tag?.[0] ?? null);
  const about = { at: point.timestamp, labels, isTyped: true } as const;
  if (short === null) return [{ ...about, device: series, values: point.fields }];
  const owners = claim(short, { fields: Object.keys(point.fields), series: seriesKey(point, tag?.[0] ?? null) }, learned);
  const own = keyed<unknown>();
  const foreign = keyed<unknown>();
  for (const [field, value] of Object.entries(point.fields)) (owners.has(field) ? own : foreign)[field] = value;
  const parts: Part[] = [];
  if (owners.size > 0) parts.push({ ...about, device: tag === null ? null : short, values: own });
  if (owners.size < Object.keys(point.fields).length) parts.push({ ...about, device: series, values: foreign });
  return parts;
}

/** @returns the fields that are this series' under the device's name */
function claim(device: string, { fields, series }: { fields: readonly string[]; series: string }, learned: Learned): ReadonlySet<string> {
  const key = `influx ${device}`;
  // Only this function writes under the key, and what it wrote came back as it was.
  const known = (learned.get(key) ?? {}) as Readonly<Record<string, string>>;
  const owner = (field: string): string | undefined => (Object.hasOwn(known, field) ? known[field] : undefined);
  const owned = fields.filter((field) => owner(field) === series);
  const unclaimed = fields.filter((field) => owner(field) === undefined);
  if (unclaimed.length === 0) return new Set(owned);
  const room = CLAIMS_MAX - Object.keys(known).length;
  const added = unclaimed.slice(0, Math.max(room, 0));
  const claims = { ...known, ...Object.fromEntries(added.map((field) => [field, series])) };
  return new Set(added.length > 0 && learned.set(key, claims) ? [...owned, ...added] : owned);
}

function deviceTag({ tags }: Point): readonly [key: string, value: string] | null {
  if (tags.some(([key]) => key === HOST_TAG)) return null;
  for (const name of DEVICE_TAGS) {
    const tag = tags.find(([key]) => key === name);
    if (tag !== undefined) return tag;
  }
  return null;
}

/** As InfluxDB writes it, but for spaces: nothing ends at one here. */
function seriesKey({ measurement, tags }: Point, without: string | null): string {
  let key = measurement.replaceAll(',', '\\,');
  for (const [name, value] of tags) if (name !== without) key += `,${escaped(name)}=${escaped(value)}`;
  return key;
}

const escaped = (text: string): string => (/[,=]/.test(text) ? text.replace(/[,=]/g, '\\$&') : text);

function labelsOf({ tags }: Point, without: string | null): Readonly<Record<string, string>> {
  const named = tags.filter(([key]) => key !== without && LABEL_NAME.test(key));
  return Object.fromEntries(named.slice(0, LABELS_MAX));
}
