/**
 * Bytes → readings, a rejection with a reason, or nothing to keep. Pure but for what it remembers to be fast and bounded:
 * routes by topic, names, shapes, the devices seen. It never throws, whatever the payload.
 *
 * One wrong value drops that value only; a message of which nothing can be read is rejected whole. A message that says
 * nothing (`{}`, every value null or absent, an empty payload) is ignored: it is a sign of life, not an error.
 *
 * It runs for every message on the thread that serves the sockets: about twice the cost of the message's JSON.parse.
 */
import type { DeviceDirectory } from '../domain/device.ts';
import { FLAG_DEVICE_TIME, type Value } from '../domain/reading.ts';
import type { DecoderBounds, DecoderLimits } from './bounds.ts';
import { RECEIPT, type ReadingTime, skewOf, timeOf } from './clock-policy.ts';
import { BUILT_IN_ONLY, type Codecs } from './codecs/codecs.ts';
import { type Decoded, type DecodedReading, finish, IGNORED_EMPTY, IGNORED_NOTHING, rejected } from './decoded.ts';
import { type Format, type Part, topicKey } from './decoders/format.ts';
import { gunzip } from './decoders/gzip.ts';
import { boundUnits } from './decoders/homeassistant.ts';
import { type Collected, collectAll, collectDefined, isObject, type JsonObject, lookUp, parseJson } from './decoders/json.ts';
import { decodeScalar, payloadText } from './decoders/scalar.ts';
import { freeValue, postedValue, Refusal, shown, typedValue } from './decoders/value.ts';
import { NameTree, nameProblem, RecentMap, ShapeTable } from './interning.ts';
import { LearnedTable } from './learned.ts';
import {
  type ClosedRoute,
  type OpenRoute,
  type Route,
  Router,
  type SharedRoute,
  scalarName,
  TOO_MANY_DEVICES,
  type Way,
} from './routing.ts';

export type { Decoded, DecodedReading } from './decoded.ts';
export type { Route } from './routing.ts';

export interface Decoder {
  /** Found by its topic once known. Null: no sensor's topic, plain MQTT traffic. */
  route(topic: string): Route | null;
  /**
   * @param receivedAt µs
   * @param client the sender: the device as which it has logged in, else its MQTT client id, where there is one
   */
  decode(route: Route, payload: Uint8Array, receivedAt: number, client?: string | null): Decoded;
  /**
   * One reading posted as values under their metrics' names and in their units (HTTP). A time outside the clock's bounds is
   * rejected: unlike a device, who posts can be told.
   */
  decodeValues(device: string, values: Readonly<Record<string, Value>>, times: { at: number | null; receivedAt: number }): Decoded;
  /** What its messages have taught it of devices and topics. */
  readonly learned: LearnedTable;
  readonly bounds: DecoderBounds;
}

const ROUTES_MAX = 100_000;
const READINGS_PER_MESSAGE_MAX = 1000;
const NO_DEVICE = new Refusal('no-device', 'neither the topic nor the message names the device');
const NOTHING_CLAIMED: ReadonlySet<string> = new Set();

/**
 * @param before the one whose place it takes: devices that have spoken count on against the limits, and what was learned holds
 * @param codecs where profiles have scripts: `loadCodecs` of those profiles
 */
export function createDecoder(
  directory: DeviceDirectory,
  limits: DecoderLimits,
  before?: Decoder,
  codecs: Codecs = BUILT_IN_ONLY,
): Decoder {
  return new DirectoryDecoder(directory, { ...limits, codecs }, before instanceof DirectoryDecoder ? before : null);
}

class DirectoryDecoder implements Decoder {
  readonly #router: Router;
  readonly #metricsMax: number;
  readonly learned: LearnedTable;
  /** By topic; and by topic and device, where messages name their devices. */
  readonly #routes = new RecentMap<OpenRoute | SharedRoute | ClosedRoute | 'none'>(ROUTES_MAX);
  readonly #names = new NameTree();
  readonly #shapes = new ShapeTable();
  readonly #collected: Collected = { names: [], values: [], refusals: [], sawInexact: false };
  readonly #refused: { devices: number; metrics: number };

  constructor(directory: DeviceDirectory, limits: DecoderLimits & { readonly codecs: Codecs }, before: DirectoryDecoder | null) {
    this.learned = before?.learned ?? new LearnedTable();
    this.#refused = before === null ? { devices: 0, metrics: 0 } : before.#refused;
    this.#router = new Router(directory, { devicesMax: limits.devices, learned: this.learned, codecs: limits.codecs });
    if (before !== null) this.#router.succeed(before.#router);
    this.#metricsMax = limits.metricsPerDevice;
  }

  get bounds(): DecoderBounds {
    const { devices, metrics } = this.#refused;
    return { devicesKnown: this.#router.devicesKnown, devicesRefused: devices, metricsRefused: metrics };
  }

  route(topic: string): Route | null {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known === 'none' ? null : known;
    const route = this.#router.route(topic);
    this.#routes.set(topic, route ?? 'none');
    return route;
  }

  decode(anyRoute: Route, payload: Uint8Array, receivedAt: number, client: string | null = null): Decoded {
    // A Route comes from route(), which makes no others; what they hold is nobody else's business.
    const route = anyRoute as OpenRoute | SharedRoute | ClosedRoute;
    if (route.kind === 'closed') return this.#closedBy(route);
    const profile = route.kind === 'open' ? route.profile : route.way.candidate.profile;
    let bytes = payload;
    if (profile !== null && profile.profile.compression === 'gzip' && payload.length > 0) {
      const inflated = gunzip(payload);
      if (inflated instanceof Refusal) return rejected(route.device?.id ?? null, inflated);
      bytes = inflated;
    }
    if (route.kind === 'open' && typeof route.format === 'string') return this.#decodePlain(route, bytes, receivedAt);
    const { format } = route;
    return typeof format === 'string' ? IGNORED_NOTHING : this.#decodeFormat(route, format, bytes, { receivedAt, client });
  }

  /** Plain JSON and plain values: the fast path. */
  #decodePlain(route: OpenRoute, payload: Uint8Array, receivedAt: number): Decoded {
    if (payload.length === 0) return IGNORED_EMPTY;
    const text = payloadText(payload);
    if (text === null) return rejected(route.device.id, new Refusal('invalid-utf8', 'the payload is not UTF-8 text'));
    const collected = this.#begin();
    if (route.format === 'scalar' && !/^\s*[{[]/.test(text)) return this.#decodeScalar(route, text, collected);
    const document = parseJson(text, 'double');
    if (document instanceof Refusal) return rejected(route.device.id, document);
    const decoded = this.#decodeDocument(route, document, receivedAt);
    if (!collected.sawInexact) return decoded;
    this.#begin();
    const exact = parseJson(text, 'exact');
    return exact instanceof Refusal ? rejected(route.device.id, exact) : this.#decodeDocument(route, exact, receivedAt);
  }

  /** Any format but plain JSON and plain values: the format says what the message holds, device by device. */
  #decodeFormat(
    route: OpenRoute | SharedRoute,
    format: Format,
    payload: Uint8Array,
    { receivedAt, client }: { receivedAt: number; client: string | null },
  ): Decoded {
    const device = route.device?.id ?? null;
    if (payload.length === 0 && format.readsEmpty !== true) return IGNORED_EMPTY;
    const { topic, levels, match, candidate } = route.way;
    const codec = (route.kind === 'open' ? route.profile : candidate.profile)?.codec ?? null;
    const parts = format.read({ topic, levels, match, payload, receivedAt, client, codec }, this.learned);
    this.#followLearned();
    if (parts instanceof Refusal) return rejected(device, parts);
    if (parts.length > READINGS_PER_MESSAGE_MAX) {
      const detail = `${parts.length} readings in one message; at most ${READINGS_PER_MESSAGE_MAX}`;
      return rejected(device, new Refusal('too-many-values', detail));
    }
    const readings: DecodedReading[] = [];
    const collected = this.#begin();
    for (const part of parts) {
      const own = part.device === null ? route : this.#routeOf(route.way, part.device, part.labels);
      if (own.kind === 'open') {
        const reading = this.#decodePart(own, part, receivedAt);
        if (reading instanceof Refusal) collected.refusals.push(reading);
        else if (reading !== null) readings.push(reading);
      } else if (own.kind === 'shared') {
        collected.refusals.push(...(part.refusals ?? [NO_DEVICE]));
      } else if (own.closed.kind === 'refused') {
        if (parts.length === 1) return this.#closedBy(own);
      } else {
        this.#countClosed(own);
        collected.refusals.push(new Refusal(own.closed.reason, own.closed.detail));
      }
    }
    return finish(device ?? onlyDevice(parts), readings, collected.refusals);
  }

  #decodePart(route: OpenRoute, part: Part, receivedAt: number): DecodedReading | Refusal | null {
    const { profile } = route;
    const collected = this.#collected;
    collected.names.length = 0;
    collected.values = [];
    if (part.refusals !== undefined) collected.refusals.push(...part.refusals);
    const ownTime = profile?.time == null ? undefined : lookUp(part.values, profile.time);
    const time = timeOf(profile?.profile ?? null, ownTime ?? part.at, receivedAt);
    if (time instanceof Refusal) return time;
    if (profile !== null) collectDefined(part.values, profile.metrics, collected);
    const convert = part.isTyped === true ? typedValue : freeValue;
    const refusal = collectAll(part.values, this.#names, profile?.claimed ?? NOTHING_CLAIMED, collected, convert);
    if (refusal !== null) return refusal;
    const reading = this.#reading(route, time);
    // Once for each set of names: many devices send a few of them in turn.
    if (reading !== null && !route.described.has(reading.metrics)) {
      route.described.add(reading.metrics);
      this.#describe(route, part, reading.metrics);
    }
    return reading;
  }

  #describe({ device, way, format }: OpenRoute, part: Part, metrics: readonly string[]): void {
    const units: Record<string, string> = {};
    const bound = boundUnits(this.learned.get(topicKey(way.topic)), metrics);
    for (const metric of metrics) {
      const fixed = typeof format === 'object' ? format.unitOf?.(metric) : null;
      const unit = part.units?.[metric] ?? bound[metric] ?? fixed ?? null;
      // A metric may be called `constructor`, which every object has.
      if (typeof unit === 'string') units[metric] = unit;
    }
    if (Object.keys(units).length > 0) this.learned.describe(device.id, { units });
  }

  /** A topic that a discovery message has named, or no longer names, is recognised anew. */
  #followLearned(): void {
    for (const key of this.learned.topicsChanged()) this.#routes.delete(key);
  }

  #routeOf(way: Way, device: string, labels: Part['labels']): OpenRoute | ClosedRoute {
    const key = `${way.topic}\u0000${device}${labels === undefined ? '' : `\u0000${JSON.stringify(labels)}`}`;
    const known = this.#routes.get(key);
    if (known !== undefined && known !== 'none' && known.kind !== 'shared') return known;
    const route = this.#router.open(way, device, { ...way.match.labels, ...labels });
    this.#routes.set(key, route);
    return route;
  }

  decodeValues(device: string, values: Readonly<Record<string, Value>>, times: { at: number | null; receivedAt: number }): Decoded {
    const key = `\u0000${device}`;
    const cached = this.#routes.get(key);
    const isKnown = cached !== undefined && cached !== 'none' && cached.kind !== 'shared';
    const route = isKnown ? cached : this.#router.routeDevice(device);
    this.#routes.set(key, route);
    if (route.kind === 'closed') return this.#closedBy(route);
    const { at, receivedAt } = times;
    if (at !== null) {
      const skew = skewOf(at, receivedAt, route.profile?.profile ?? null);
      if (!Number.isSafeInteger(at)) return rejected(route.device.id, new Refusal('invalid-time', 'the time is no time'));
      if (skew !== null) return rejected(route.device.id, new Refusal('clock-skew', skew));
    }
    const collected = this.#begin();
    for (const [name, value] of Object.entries(values)) {
      const problem = name === '__proto__' ? 'a metric cannot be called __proto__' : nameProblem(name);
      const definition = route.profile?.metricByName.get(name)?.definition;
      if (problem !== null) collected.refusals.push(new Refusal('invalid-metric', problem));
      else keep(collected, name, definition === undefined ? typedValue(value) : postedValue(definition, value));
    }
    const reading = this.#reading(route, at === null ? RECEIPT : { at, flags: FLAG_DEVICE_TIME });
    return finish(route.device.id, reading === null ? [] : [reading], collected.refusals);
  }

  #closedBy(route: ClosedRoute): Decoded {
    this.#countClosed(route);
    const { kind, device, reason, detail } = route.closed;
    return kind === 'refused' ? { kind, detail } : { kind, device, reason, detail };
  }

  #countClosed({ closed }: ClosedRoute): void {
    if (closed.reason === TOO_MANY_DEVICES) this.#refused.devices += 1;
  }

  #begin(): Collected {
    const collected = this.#collected;
    collected.names.length = 0;
    collected.values = [];
    collected.refusals.length = 0;
    collected.sawInexact = false;
    return collected;
  }

  #decodeScalar(route: OpenRoute, text: string, collected: Collected): Decoded {
    const name = scalarName(route);
    if (name instanceof Refusal) return rejected(route.device.id, name);
    keep(collected, name, decodeScalar(text, route.scalar?.definition ?? null));
    const reading = this.#reading(route, RECEIPT);
    return finish(route.device.id, reading === null ? [] : [reading], collected.refusals);
  }

  #decodeDocument(route: OpenRoute, document: unknown, receivedAt: number): Decoded {
    if (isObject(document)) {
      const reading = this.#decodeObject(route, document, receivedAt);
      if (reading instanceof Refusal) return rejected(route.device.id, reading);
      return finish(route.device.id, reading === null ? [] : [reading], this.#collected.refusals);
    }
    if (document === null) return IGNORED_NOTHING;
    if (!Array.isArray(document))
      return rejected(route.device.id, new Refusal('not-an-object', `expected a JSON object, found ${shown(document)}`));
    if (route.metric !== null && !document.some(isObject)) {
      // A list under a metric's own topic is that metric, numbered.
      const reading = this.#decodeObject(route, { ...document }, receivedAt);
      return reading instanceof Refusal
        ? rejected(route.device.id, reading)
        : finish(route.device.id, reading === null ? [] : [reading], this.#collected.refusals);
    }
    if (document.length > READINGS_PER_MESSAGE_MAX) {
      return rejected(
        route.device.id,
        new Refusal('too-many-values', `${document.length} readings in one message; at most ${READINGS_PER_MESSAGE_MAX}`),
      );
    }
    return this.#decodeList(route, document, receivedAt);
  }

  /** A list of objects: a reading each. What is wrong with one does not touch the others. */
  #decodeList(route: OpenRoute, list: readonly unknown[], receivedAt: number): Decoded {
    const readings: DecodedReading[] = [];
    const collected = this.#collected;
    for (const [index, element] of list.entries()) {
      if (!isObject(element)) {
        collected.refusals.push(new Refusal('not-an-object', `element ${index} is ${shown(element)}`));
        continue;
      }
      collected.names.length = 0;
      collected.values = [];
      const reading = this.#decodeObject(route, element, receivedAt);
      if (reading instanceof Refusal) collected.refusals.push(reading);
      else if (reading !== null) readings.push(reading);
    }
    return finish(route.device.id, readings, collected.refusals);
  }

  /** @returns null when it holds no value */
  #decodeObject(route: OpenRoute, object: JsonObject, receivedAt: number): DecodedReading | Refusal | null {
    const profile = route.profile;
    const collected = this.#collected;
    const time = profile?.time == null ? RECEIPT : timeOf(profile.profile, lookUp(object, profile.time), receivedAt);
    if (time instanceof Refusal) return time;
    const named = route.metric === null ? object : { [route.metric]: object };
    if (profile !== null) collectDefined(named, profile.metrics, collected);
    // What the profile does not describe is kept as it comes: it may be wanted later, and nothing is lost meanwhile.
    const refusal = collectAll(named, this.#names, profile?.claimed ?? NOTHING_CLAIMED, collected);
    if (refusal !== null) return refusal;
    return this.#reading(route, time);
  }

  /** Names and values collected → a reading, less what is beyond the device's limit of metrics. */
  #reading(route: OpenRoute, { at, flags }: ReadingTime): DecodedReading | null {
    const { device } = route;
    const { names, values } = this.#collected;
    if (values.length === 0) return null;
    const last = route.lastShape;
    if (last !== null && last.keep === null && sameNames(last.names, names)) return { device, at, flags, metrics: last.shape, values };
    this.#admit(route);
    if (names.length === 0) return null;
    const interned = this.#shapes.intern(names);
    const admitted = this.#collected.values;
    if (interned.keep !== null)
      return { device, at, flags, metrics: interned.shape, values: interned.keep.map((index) => admitted[index] ?? 0) };
    route.lastShape = interned;
    return { device, at, flags, metrics: interned.shape, values: admitted };
  }

  /** Takes out what would give the device more metrics than it may have. */
  #admit(route: OpenRoute): void {
    if (this.#metricsMax === 0) return;
    const { names, values, refusals } = this.#collected;
    const known = route.known.metrics;
    let kept = 0;
    for (const [index, name] of names.entries()) {
      if (!known.has(name) && known.size >= this.#metricsMax) {
        this.#refused.metrics += 1;
        refusals.push(new Refusal('too-many-metrics', `${name}: the device has ${known.size} metrics (mqtt.limits.metricsPerDevice)`));
        continue;
      }
      known.add(name);
      names[kept] = name;
      values[kept] = values[index] ?? 0;
      kept += 1;
    }
    names.length = kept;
    values.length = kept;
  }
}

function sameNames(known: readonly string[], names: readonly string[]): boolean {
  if (known.length !== names.length) return false;
  for (let index = 0; index < names.length; index++) if (known[index] !== names[index]) return false;
  return true;
}

function keep(collected: Collected, name: string, value: Value | undefined | Refusal): void {
  if (value instanceof Refusal) collected.refusals.push(value);
  else if (value !== undefined) {
    collected.names.push(name);
    collected.values.push(value);
  }
}

/** The device that all parts of a message are of, or null. */
function onlyDevice(parts: readonly Part[]): string | null {
  const first = parts[0]?.device ?? null;
  return parts.every(({ device }) => device === first) ? first : null;
}
