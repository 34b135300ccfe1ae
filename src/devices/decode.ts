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
import {
  type DeviceRef,
  FLAG_CLOCK_SKEW,
  FLAG_DEVICE_TIME,
  MICROSECONDS_PER_MILLISECOND,
  type Shape,
  type Value,
} from '../domain/reading.ts';
import { formatDurationMs } from '../std/quantity.ts';
import { type Collected, collectAll, collectDefined, isObject, type JsonObject, lookUp, parseJson } from './decoders/json.ts';
import { decodeScalar, payloadText } from './decoders/scalar.ts';
import { postedFreely, postedValue, Refusal, shown } from './decoders/value.ts';
import { NameTree, nameProblem, RecentMap, ShapeTable } from './interning.ts';
import { type ClosedRoute, type CompiledProfile, type OpenRoute, type Route, Router, scalarName } from './routing.ts';
import { readDeviceTime } from './time.ts';

export type { Route } from './routing.ts';

export interface Decoder {
  /** Found by its topic once known. Null: no sensor's topic, plain MQTT traffic. */
  route(topic: string): Route | null;
  /** @param receivedAt µs */
  decode(route: Route, payload: Uint8Array, receivedAt: number): Decoded;
  /**
   * One reading posted as values under their metrics' names and in their units (HTTP). A time outside the clock's bounds is
   * rejected: unlike a device, who posts can be told.
   */
  decodeValues(device: string, values: Readonly<Record<string, Value>>, times: { at: number | null; receivedAt: number }): Decoded;
}

export interface Refused {
  /** A fixed code; groups in the quarantine. */
  readonly reason: string;
  /** The particulars, for a person. */
  readonly detail: string;
}

export type Decoded =
  /** At least one reading, each with at least one value. `rejected`: what else the message held, one entry a reason. */
  | {
      readonly kind: 'readings';
      readonly device: DeviceRef;
      readonly readings: readonly DecodedReading[];
      readonly rejected: readonly Refused[];
    }
  /** Nothing to keep and nothing wrong: a sign of life. */
  | { readonly kind: 'ignored'; readonly detail: string }
  /** For the quarantine. */
  | { readonly kind: 'rejected'; readonly device: string | null; readonly reason: string; readonly detail: string }
  /** Turned away by the fleet file (`unknown: reject`): counted, not kept. */
  | { readonly kind: 'refused'; readonly detail: string };

export interface DecodedReading {
  /** Device time in µs; null: the time of receipt stands. */
  readonly at: number | null;
  readonly flags: number;
  readonly metrics: Shape;
  readonly values: readonly Value[];
}

/** 0 is no limit. */
export interface DecoderLimits {
  readonly devices: number;
  readonly metricsPerDevice: number;
}

const ROUTES_MAX = 100_000;
const READINGS_PER_MESSAGE_MAX = 1000;
const DETAILS_SHOWN_MAX = 5;
const NOTHING_REJECTED: readonly Refused[] = Object.freeze([]);
const IGNORED_EMPTY: Decoded = Object.freeze({ kind: 'ignored', detail: 'an empty payload' });
const IGNORED_NOTHING: Decoded = Object.freeze({ kind: 'ignored', detail: 'no value in it' });
const NOTHING_CLAIMED: ReadonlySet<string> = new Set();
/** What a clock may differ by where no profile says otherwise. */
const MAX_FUTURE_MS = 5 * 60_000;
const MAX_PAST_MS = 30 * 86_400_000;

/** @param before the one whose place it takes: devices that have spoken count on against the limits */
export function createDecoder(directory: DeviceDirectory, limits: DecoderLimits, before?: Decoder): Decoder {
  return new DirectoryDecoder(directory, limits, before instanceof DirectoryDecoder ? before : null);
}

class DirectoryDecoder implements Decoder {
  readonly #router: Router;
  readonly #metricsMax: number;
  readonly #routes = new RecentMap<OpenRoute | ClosedRoute | 'none'>(ROUTES_MAX);
  readonly #names = new NameTree();
  readonly #shapes = new ShapeTable();
  readonly #collected: Collected = { names: [], values: [], refusals: [], sawInexact: false };

  constructor(directory: DeviceDirectory, limits: DecoderLimits, before: DirectoryDecoder | null) {
    this.#router = new Router(directory, limits.devices);
    if (before !== null) this.#router.succeed(before.#router);
    this.#metricsMax = limits.metricsPerDevice;
  }

  route(topic: string): Route | null {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known === 'none' ? null : known;
    const route = this.#router.route(topic);
    this.#routes.set(topic, route ?? 'none');
    return route;
  }

  decode(anyRoute: Route, payload: Uint8Array, receivedAt: number): Decoded {
    // A Route comes from route(), which makes no others; what they hold is nobody else's business.
    const route = anyRoute as OpenRoute | ClosedRoute;
    if (route.device === null) return closedBy(route);
    if (payload.length === 0) return IGNORED_EMPTY;
    const text = payloadText(payload);
    if (text === null)
      return { kind: 'rejected', device: route.device.id, reason: 'invalid-utf8', detail: 'the payload is not UTF-8 text' };
    const collected = this.#begin();
    if (route.format === 'scalar' && !/^\s*[{[]/.test(text)) return this.#decodeScalar(route, text, collected);
    const document = parseJson(text, 'double');
    if (document instanceof Refusal) return rejected(route.device, document);
    const decoded = this.#decodeDocument(route, document, receivedAt);
    if (!collected.sawInexact) return decoded;
    this.#begin();
    const exact = parseJson(text, 'exact');
    return exact instanceof Refusal ? rejected(route.device, exact) : this.#decodeDocument(route, exact, receivedAt);
  }

  decodeValues(device: string, values: Readonly<Record<string, Value>>, times: { at: number | null; receivedAt: number }): Decoded {
    const key = `\u0000${device}`;
    const cached = this.#routes.get(key);
    const route = cached === undefined || cached === 'none' ? this.#router.routeDevice(device) : cached;
    this.#routes.set(key, route);
    if (route.device === null) return closedBy(route);
    const { at, receivedAt } = times;
    if (at !== null) {
      const skew = skewOf(at, receivedAt, route.profile);
      if (!Number.isSafeInteger(at)) return rejected(route.device, new Refusal('invalid-time', 'the time is no time'));
      if (skew !== null) return rejected(route.device, new Refusal('clock-skew', skew));
    }
    const collected = this.#begin();
    for (const [name, value] of Object.entries(values)) {
      const problem = name === '__proto__' ? 'a metric cannot be called __proto__' : nameProblem(name);
      const definition = route.profile?.metricByName.get(name)?.definition;
      if (problem !== null) collected.refusals.push(new Refusal('invalid-metric', problem));
      else keep(collected, name, definition === undefined ? postedFreely(value) : postedValue(definition, value));
    }
    const reading = this.#reading(route, at, at === null ? 0 : FLAG_DEVICE_TIME);
    return finish(route.device, reading === null ? [] : [reading], collected.refusals);
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
    if (name instanceof Refusal) return rejected(route.device, name);
    keep(collected, name, decodeScalar(text, route.scalar?.definition ?? null));
    const reading = this.#reading(route, null, 0);
    return finish(route.device, reading === null ? [] : [reading], collected.refusals);
  }

  #decodeDocument(route: OpenRoute, document: unknown, receivedAt: number): Decoded {
    if (isObject(document)) {
      const reading = this.#decodeObject(route, document, receivedAt);
      if (reading instanceof Refusal) return rejected(route.device, reading);
      return finish(route.device, reading === null ? [] : [reading], this.#collected.refusals);
    }
    if (document === null) return IGNORED_NOTHING;
    if (!Array.isArray(document))
      return rejected(route.device, new Refusal('not-an-object', `expected a JSON object, found ${shown(document)}`));
    if (route.metric !== null && !document.some(isObject)) {
      // A list under a metric's own topic is that metric, numbered.
      const reading = this.#decodeObject(route, { ...document }, receivedAt);
      return reading instanceof Refusal
        ? rejected(route.device, reading)
        : finish(route.device, reading === null ? [] : [reading], this.#collected.refusals);
    }
    if (document.length > READINGS_PER_MESSAGE_MAX) {
      return rejected(
        route.device,
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
    return finish(route.device, readings, collected.refusals);
  }

  /** @returns null when it holds no value */
  #decodeObject(route: OpenRoute, object: JsonObject, receivedAt: number): DecodedReading | Refusal | null {
    const profile = route.profile;
    const collected = this.#collected;
    let at: number | null = null;
    let flags = 0;
    if (profile !== null && profile.time !== null && profile.profile.clock === 'device') {
      const time = deviceTime(profile, lookUp(object, profile.time), receivedAt);
      if (time instanceof Refusal) return time;
      at = time.at;
      flags = time.flags;
    }
    const named = route.metric === null ? object : { [route.metric]: object };
    if (profile !== null) collectDefined(named, profile.metrics, collected);
    // What the profile does not describe is kept as it comes: it may be wanted later, and nothing is lost meanwhile.
    const refusal = collectAll(named, this.#names, profile?.claimed ?? NOTHING_CLAIMED, collected);
    if (refusal !== null) return refusal;
    return this.#reading(route, at, flags);
  }

  /** Names and values collected → a reading, less what is beyond the device's limit of metrics. */
  #reading(route: OpenRoute, at: number | null, flags: number): DecodedReading | null {
    const { names, values } = this.#collected;
    if (values.length === 0) return null;
    const last = route.lastShape;
    if (last !== null && last.keep === null && sameNames(last.names, names)) return { at, flags, metrics: last.shape, values };
    this.#admit(route);
    if (names.length === 0) return null;
    const interned = this.#shapes.intern(names);
    const admitted = this.#collected.values;
    if (interned.keep !== null) return { at, flags, metrics: interned.shape, values: interned.keep.map((index) => admitted[index] ?? 0) };
    route.lastShape = interned;
    return { at, flags, metrics: interned.shape, values: admitted };
  }

  /** Takes out what would give the device more metrics than it may have. */
  #admit(route: OpenRoute): void {
    if (this.#metricsMax === 0) return;
    const { names, values, refusals } = this.#collected;
    const known = route.known.metrics;
    let kept = 0;
    for (const [index, name] of names.entries()) {
      if (!known.has(name) && known.size >= this.#metricsMax) {
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

function deviceTime(profile: CompiledProfile, raw: unknown, receivedAt: number): { at: number | null; flags: number } | Refusal {
  if (raw === undefined || raw === null) return { at: null, flags: 0 };
  const time = readDeviceTime(raw, profile.profile.timezone, receivedAt);
  if (time === 'no-zone') return { at: null, flags: 0 };
  const problem = time === 'invalid' ? `${shown(raw)} is no time` : skewOf(time, receivedAt, profile);
  if (problem === null && typeof time === 'number') return { at: time, flags: FLAG_DEVICE_TIME };
  if (profile.profile.clockSkew === 'keep') return { at: null, flags: FLAG_CLOCK_SKEW };
  return new Refusal(time === 'invalid' ? 'invalid-time' : 'clock-skew', problem ?? '');
}

/** How far the time lies outside what the profile allows, as a sentence; null when it does not. */
function skewOf(at: number, receivedAt: number, profile: CompiledProfile | null): string | null {
  const aheadMs = (at - receivedAt) / MICROSECONDS_PER_MILLISECOND;
  const futureMs = profile === null ? MAX_FUTURE_MS : profile.profile.maxFutureMs;
  if (futureMs !== null && aheadMs > futureMs) return `the device's time is ${formatDurationMs(aheadMs)} ahead, more than maxFuture`;
  const pastMs = profile === null ? MAX_PAST_MS : profile.profile.maxPastMs;
  if (pastMs !== null && -aheadMs > pastMs) return `the device's time is ${formatDurationMs(-aheadMs)} behind, more than maxPast`;
  return null;
}

function closedBy(route: ClosedRoute): Decoded {
  const { kind, device, reason, detail } = route.closed;
  return kind === 'refused' ? { kind, detail } : { kind, device, reason, detail };
}

const rejected = (device: DeviceRef, refusal: Refusal): Decoded => ({
  kind: 'rejected',
  device: device.id,
  reason: refusal.reason,
  detail: refusal.detail,
});

function finish(device: DeviceRef, readings: readonly DecodedReading[], refusals: readonly Refusal[]): Decoded {
  if (refusals.length === 0)
    return readings.length === 0 ? IGNORED_NOTHING : { kind: 'readings', device, readings, rejected: NOTHING_REJECTED };
  const reasons = mergeByReason(refusals);
  const [first] = reasons;
  if (readings.length > 0 || first === undefined) return { kind: 'readings', device, readings, rejected: reasons };
  return { kind: 'rejected', device: device.id, reason: first.reason, detail: reasons.map((reason) => reason.detail).join('; ') };
}

/** One entry a reason, so that a message never leaves more entries in the quarantine than there are reasons. */
function mergeByReason(refusals: readonly Refusal[]): readonly Refused[] {
  const details = new Map<string, string[]>();
  for (const { reason, detail } of refusals) {
    const known = details.get(reason);
    if (known === undefined) details.set(reason, [detail]);
    else known.push(detail);
  }
  return [...details].map(([reason, all]) => {
    const more = all.length > DETAILS_SHOWN_MAX ? `; and ${all.length - DETAILS_SHOWN_MAX} more` : '';
    return { reason, detail: all.slice(0, DETAILS_SHOWN_MAX).join('; ') + more };
  });
}
