/**
 * Homie 3, 4 and 5: `homie/{device}/…`, `homie/5/{device}/…`. A property is a metric, `node/property`, and a statistic is `$stats/uptime`. What
 * is said of a property (`$unit`, `$datatype`, `$format`; in version 5 all of it in `$description`) is learned, and from then on
 * its values are held to it: a number, `true` or `false`, one of an enumeration. Until then they are taken as they look.
 * An element of an array, `lights_0/intensity`, goes by what is said of `lights/intensity`.
 *
 * `$state` is availability. `ready`, `alert` and `sleeping` are true: a device with a fault still speaks, and one that sleeps is well and will. `init`,
 * `disconnected` and `lost` are false: it does not speak yet, or no more.
 *
 * Source: https://homieiot.github.io/specification/ (version 5), /specification/spec-core-v4_0_0/, /specification/spec-core-v3_0_1/
 */
import { AVAILABILITY } from '../../domain/device.ts';
import { type Format, type FormatMessage, type Learned, levelsAfterDevice, type Part, readObject, readText } from './format.ts';
import { isObject, type JsonObject, parseJson } from './json.ts';
import { freeScalar, Refusal, shown } from './value.ts';

const PROPERTIES_MAX = 1000;
const STATES = new Map(
  Object.entries({ ready: true, alert: true, sleeping: true, init: false, disconnected: false, lost: false, true: true, false: false }),
);

export const homie: Format = {
  name: 'homie',
  topics: ['homie/{device}/#', 'homie/5/{device}/#'],
  speaksOn(levels) {
    const at = levels[1] === '5' ? 2 : 1;
    // `homie/$broadcast/…` is for all devices.
    return levels.length > at + 1 && levels[at]?.startsWith('$') === false;
  },
  namesDevices: false,
  // An attribute that is taken back.
  readsEmpty: true,
  bearsTime: false,
  read(message, learned) {
    const path = levelsAfterDevice(message);
    const [first = '', second = '', third] = path;
    if (first === '$description' && path.length === 1) return learnDescription(message, learned);
    const attribute = path.at(-1) ?? '';
    if (attribute in ATTRIBUTES && path.length === 3) return learnAttribute(message, attribute, learned);
    const text = readText(message.payload);
    if (text instanceof Refusal) return text;
    // Version 5 writes the empty text as one zero byte.
    if (text === '' || text === '\u0000') return [];
    if (path.length === 1) return readDevice(message, { attribute: first, text, learned });
    if (first === '$stats' && path.length === 2)
      return second === 'interval' ? [] : [{ device: null, values: { [`$stats/${second}`]: text } }];
    const isProperty = third === undefined && !first.startsWith('$') && !second.startsWith('$');
    return isProperty ? readProperty(message, text, learned) : [];
  },
  unitOf: (metric) => STATISTICS.get(metric) ?? null,
};

const STATISTICS = new Map(
  Object.entries({
    '$stats/uptime': 's',
    '$stats/signal': '%',
    '$stats/cputemp': '°C',
    '$stats/cpuload': '%',
    '$stats/battery': '%',
    '$stats/freeheap': 'B',
    '$stats/supply': 'V',
  }),
);

/** What is said of a property. */
interface Property {
  readonly unit?: string;
  readonly datatype?: string;
  readonly format?: string;
}
const ATTRIBUTES: Readonly<Record<string, keyof Property>> = Object.assign(Object.create(null), {
  $unit: 'unit',
  $datatype: 'datatype',
  $format: 'format',
});

function readDevice(
  { match }: FormatMessage,
  { attribute, text, learned }: { attribute: string; text: string; learned: Learned },
): readonly Part[] | Refusal {
  if (attribute === '$name' && match.device !== null) learned.describe(match.device, { name: text });
  // `$online` is what version 2 had.
  if (attribute !== '$state' && attribute !== '$online') return [];
  const isThere = STATES.get(text);
  if (isThere === undefined) return new Refusal('wrong-type', `${attribute} is ${shown(text)}`);
  return [{ device: null, values: { [AVAILABILITY]: isThere } }];
}

/** By topic: what is below another prefix is another device. */
const propertyKey = (topic: string): string => `homie ${topic}`;

function propertyOf(topic: string, learned: Learned): Property {
  // Only this file writes under these keys.
  const own = learned.get(propertyKey(topic)) as Property | undefined;
  if (own !== undefined) return own;
  const [property = '', node = '', ...before] = topic.split('/').reverse();
  const array = node.replace(/_\d{1,6}$/, '');
  if (array === node) return {};
  return (learned.get(propertyKey([...before.reverse(), array, property].join('/'))) as Property | undefined) ?? {};
}

function learnAttribute({ topic, payload, match }: FormatMessage, attribute: string, learned: Learned): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const key = propertyKey(topic.slice(0, topic.lastIndexOf('/')));
  const name = ATTRIBUTES[attribute];
  if (name === undefined) return [];
  const { [name]: _before, ...others } = (learned.get(key) as Property | undefined) ?? {};
  const property: Property = text === '' ? others : { ...others, [name]: text };
  if (!learned.set(key, Object.keys(property).length === 0 ? null : property)) return tooMuch(key);
  const metric = topic.split('/').slice(-3, -1).join('/');
  // Of a property that has spoken before, too.
  if (name === 'unit' && text !== '' && match.device !== null) learned.describe(match.device, { units: { [metric]: text } });
  return [];
}

const tooMuch = (key: string): Refusal =>
  new Refusal('too-much-learned', `${key}: there is no more room for what devices say of themselves`);

function learnDescription(message: FormatMessage, learned: Learned): readonly Part[] | Refusal {
  if (message.payload.length === 0) return [];
  const description = readObject(message.payload);
  if (description instanceof Refusal) return description;
  const base = message.topic.slice(0, message.topic.lastIndexOf('/'));
  const units: Record<string, string> = {};
  let count = 0;
  for (const [node, { properties }] of objectsIn(description.nodes)) {
    for (const [id, { unit, datatype, format }] of objectsIn(properties)) {
      count += 1;
      if (count > PROPERTIES_MAX) return tooMuch(message.topic);
      const property: Property = {
        ...(typeof unit === 'string' && unit !== '' && { unit }),
        ...(typeof datatype === 'string' && { datatype }),
        ...(typeof format === 'string' && { format }),
      };
      const key = propertyKey(`${base}/${node}/${id}`);
      if (!learned.set(key, property)) return tooMuch(key);
      if (property.unit !== undefined) units[`${node}/${id}`] = property.unit;
    }
  }
  const name = typeof description.name === 'string' ? description.name : undefined;
  if (message.match.device !== null) learned.describe(message.match.device, { units, ...(name && { name }) });
  return [];
}

const objectsIn = (value: unknown): (readonly [string, JsonObject])[] =>
  isObject(value) ? Object.entries(value).filter((entry): entry is [string, JsonObject] => isObject(entry[1])) : [];

function readProperty({ topic }: FormatMessage, text: string, learned: Learned): readonly Part[] | Refusal {
  const metric = topic.split('/').slice(-2).join('/');
  const property = propertyOf(topic, learned);
  const value = converted(metric, text, property);
  if (value instanceof Refusal) return value;
  const unit = property.unit ?? (property.datatype === 'percent' ? '%' : undefined);
  const part: Part = { device: null, values: { [metric]: value }, ...(unit && { units: { [metric]: unit } }) };
  // Of what was said to be text, "0815" is no number. Before anything is said, it may be one.
  return [property.datatype === undefined || property.datatype === 'json' ? part : { ...part, isTyped: true }];
}

function converted(metric: string, text: string, { datatype, format }: Property): unknown {
  if (datatype === 'integer' || datatype === 'float' || datatype === 'percent') {
    const number = freeScalar(text.trim());
    if (typeof number === 'number' || number === undefined || number instanceof Refusal) return number ?? null;
    return new Refusal('not-a-number', `${metric} is ${shown(text)}, its $datatype is ${datatype}`);
  }
  if (datatype === 'boolean' && text !== 'true' && text !== 'false')
    return new Refusal('wrong-type', `${metric} is ${shown(text)}, expected true or false`);
  if (datatype === 'enum' && format !== undefined && !choicesOf(format).includes(text))
    return new Refusal('wrong-type', `${metric} is ${shown(text)}, its $format is ${shown(format)}`);
  if (datatype === 'json') return parseJson(text, 'double');
  return datatype === 'boolean' ? text === 'true' : text;
}

/** `open,closed`; a comma inside one is written twice. */
const choicesOf = (format: string): string[] =>
  format
    .replaceAll(',,', '\u0000')
    .split(',')
    .map((choice) => choice.replaceAll('\u0000', ','));
