/**
 * What messages become under a configuration, without a running instance: the decoder of the ingest, asked message by message, and each
 * answer with what a person wants to know beside it. What one message teaches (discovery, births) counts for those after it.
 */
import type { Codecs } from '../devices/codecs/codecs.ts';
import { createDecoder, type Decoded, type DecodedReading, type Decoder } from '../devices/decode.ts';
import { topicOf } from '../devices/decoders/format.ts';
import { FORMATS } from '../devices/formats.ts';
import { remedyFor } from '../devices/remedy.ts';
import { Router } from '../devices/routing.ts';
import type { DeviceDirectory, Profile } from '../domain/device.ts';
import { FLAG_CLOCK_SKEW, FLAG_DEVICE_TIME, type Value } from '../domain/reading.ts';
import { ReadingWindow } from '../ingest/duplicates.ts';
import { formatDurationMs } from '../std/quantity.ts';

export interface GivenMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** µs */
  readonly receivedAt: number;
  readonly client: string | null;
}

export interface ExplainedReading {
  readonly device: string;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly at: number;
  /** Whose time it is, and why. */
  readonly clock: string;
  readonly values: readonly { readonly metric: string; readonly value: Value; readonly unit: string | null }[];
}

export interface ExplainedMessage {
  readonly topic: string;
  readonly outcome: 'readings' | 'nothing' | 'rejected' | 'refused' | 'no-sensor';
  /** How the topic was recognised; null where it was not, or where its device is turned away. */
  readonly route: {
    /** Null: by a discovery message. */
    readonly template: string | null;
    readonly format: string;
    readonly profile: string | null;
    /** Null: the message names its devices. */
    readonly device: string | null;
  } | null;
  /** Why nothing came of it. */
  readonly detail: string | null;
  /** What to do where no sensor speaks on the topic. */
  readonly hint: string | null;
  readonly readings: readonly ExplainedReading[];
  readonly rejected: readonly { readonly reason: string; readonly detail: string; readonly remedy: string | null }[];
  readonly learned: readonly { readonly about: string; readonly value: unknown }[];
}

export class Decoding {
  readonly #decoder: Decoder;
  readonly #router: Router;
  readonly #profiles: ReadonlyMap<string, Profile>;
  /** Makes times of receipt unique for a device, as the ingest does. */
  readonly #times = new ReadingWindow();

  /** @param codecs those of the directory's profiles */
  constructor(directory: DeviceDirectory, codecs: Codecs) {
    // One message needs no bounds, and what the limits of an instance leave is not known here.
    this.#decoder = createDecoder(directory, { devices: 0, metricsPerDevice: 0 }, undefined, codecs);
    this.#router = new Router(directory, { devicesMax: 0, learned: this.#decoder.learned, codecs });
    this.#profiles = new Map(directory.profiles.map((profile) => [profile.name, profile]));
  }

  explain({ topic, payload, receivedAt, client }: GivenMessage): ExplainedMessage {
    const route = this.#decoder.route(topic);
    if (route === null) return this.#unrecognised(topic);
    const recognised = this.#recognised(topic);
    const decoded = this.#decoder.decode(route, payload, receivedAt, client);
    const learned = this.#decoder.learned
      .takeChanges()
      .map(({ key, json }) => ({ about: aboutOf(key), value: JSON.parse(json ?? 'null') }));
    const readings = decoded.kind === 'readings' ? decoded.readings : [];
    return {
      topic,
      outcome: decoded.kind === 'ignored' ? 'nothing' : decoded.kind,
      route: recognised,
      detail: decoded.kind === 'ignored' || decoded.kind === 'refused' ? decoded.detail : null,
      hint: decoded.kind === 'refused' ? remedyFor('unknown-device') : null,
      readings: readings.map((reading) => this.#explainReading(reading, { receivedAt, format: recognised?.format ?? 'json' })),
      rejected: refusalsOf(decoded).map((refusal) => ({ ...refusal, remedy: remedyFor(refusal.reason) })),
      learned,
    };
  }

  #recognised(topic: string): ExplainedMessage['route'] {
    const route = this.#router.route(topic);
    if (route === null || route.kind === 'closed') return null;
    const { template } = route.way.candidate;
    const { format } = route;
    return {
      template: template.namesDevice && route.way.match.device === null ? null : template.text,
      format: typeof format === 'object' ? format.name : format,
      profile: (route.kind === 'open' ? route.profile : route.way.candidate.profile)?.profile.name ?? null,
      device: route.device?.id ?? null,
    };
  }

  #explainReading(reading: DecodedReading, { receivedAt, format }: { receivedAt: number; format: string }): ExplainedReading {
    const { device, metrics, values } = reading;
    const profile = device.profile === null ? null : (this.#profiles.get(device.profile) ?? null);
    const learnedUnits = this.#decoder.learned.description(device.id).units;
    const unitOf = (metric: string): string | null =>
      profile?.metrics.find(({ name }) => name === metric)?.unit ?? learnedUnits[metric] ?? null;
    return {
      device: device.id,
      profile: device.profile,
      labels: device.labels,
      at: reading.at ?? this.#times.receiptTime(device.id, receivedAt),
      clock: clockOf(reading.flags, profile, format),
      values: metrics.map((metric, index) => ({ metric, value: values[index] ?? '', unit: unitOf(metric) })),
    };
  }

  #unrecognised(topic: string): ExplainedMessage {
    const nearest = nearestTemplate(topic, this.#router.templates);
    const hint = nearest === null ? null : `${nearest} would match; or name this topic in a profile: \`topic:\``;
    return {
      topic,
      outcome: 'no-sensor',
      route: null,
      detail: 'no sensor’s topic: plain MQTT traffic',
      hint: hint ?? remedyFor('no-sensor-topic'),
      readings: [],
      rejected: [],
      learned: [],
    };
  }
}

function refusalsOf(decoded: Decoded): readonly { readonly reason: string; readonly detail: string }[] {
  if (decoded.kind === 'readings') return decoded.rejected;
  return decoded.kind === 'rejected' ? [{ reason: decoded.reason, detail: decoded.detail }] : [];
}

const aboutOf = (key: string): string => {
  const topic = topicOf(key);
  return topic === null ? key : `the topic ${topic}`;
};

/** Whose time counts, and why it is not the device's own. */
function clockOf(flags: number, profile: Profile | null, format: string): string {
  if ((flags & FLAG_DEVICE_TIME) !== 0) return 'the device’s own time';
  if ((flags & FLAG_CLOCK_SKEW) !== 0) {
    const bounds = profile === null ? [] : [boundOf('maxPast', profile.maxPastMs), boundOf('maxFuture', profile.maxFutureMs)];
    const allowed = bounds.length === 0 ? 'maxPast and maxFuture' : bounds.join(' and ');
    return `the time of receipt: the device’s own is no time, or beyond ${allowed}`;
  }
  const bearsTime = FORMATS.some(({ name, bearsTime: bears }) => name === format && bears);
  if (profile?.clock === 'server' && (profile.time !== null || bearsTime)) return 'the time of receipt: clock: server';
  if (profile?.time != null)
    return `the time of receipt: there is none under ${profile.time}, or one without a zone (timezone: in the profile)`;
  if (bearsTime) return 'the time of receipt: the message bears none, or one without a zone (timezone: in the profile)';
  return 'the time of receipt: nothing names a time of the device’s own (time: in the profile)';
}

const boundOf = (name: string, durationMs: number | null): string =>
  `${name} (${durationMs === null ? 'off' : formatDurationMs(durationMs)})`;

/**
 * The template from which the topic differs in the fewest levels, and in at most half of them; null when there is none like it. Literal
 * levels must agree in one place at least, if only in how they begin: else everything is like `{device}`.
 */
function nearestTemplate(topic: string, templates: readonly string[]): string | null {
  const levels = topic.split('/');
  let nearest: string | null = null;
  let least = levels.length / 2;
  for (const template of templates) {
    const expected = template.split('/').filter((level) => level !== '#');
    const isOpen = template.endsWith('#');
    const missing = expected.length - levels.length;
    const literals = expected.flatMap((level, index) => (level.startsWith('{') ? [] : [{ level, found: levels[index] }]));
    const isLike = literals.some(({ level, found }) => levels.includes(level) || found?.slice(0, BEGINNING) === level.slice(0, BEGINNING));
    const wrong = literals.filter(({ level, found }) => found !== undefined && found !== level).length;
    const differing = wrong + (isOpen ? Math.max(0, missing) : Math.abs(missing));
    if (!isLike || differing > least || (nearest !== null && differing === least)) continue;
    nearest = template;
    least = differing;
  }
  return nearest;
}

const BEGINNING = 3;
