/**
 * Topic → route: which device speaks, under which profile, in which format. A device's profile is the one that the fleet
 * file names; else the one whose topic matches with the most literal levels; else the topics that a format is known by, without a
 * profile; else what a discovery message said of this very topic. Where the message names its devices, each gets a route of its own.
 */
import { type DeviceDirectory, type FleetDevice, type Profile, SELF } from '../domain/device.ts';
import type { DeviceRef, Shape } from '../domain/reading.ts';
import type { Codecs } from './codecs/codecs.ts';
import { type Codec, type Format, type Learned, topicKey } from './decoders/format.ts';
import { type DefinedMetric, type JsonPath, parsePath } from './decoders/json.ts';
import { jsonByDevice } from './decoders/json-by-device.ts';
import { Refusal } from './decoders/value.ts';
import { DISCOVERY, FORMATS, formatNamed } from './formats.ts';
import { type InternedShape, nameProblem } from './interning.ts';
import { byPrecedence, matchTemplate, parseTemplate, type TopicMatch, type TopicTemplate } from './template.ts';

/** Why a device has no route that was one too many. */
export const TOO_MANY_DEVICES = 'too-many-devices';

const BUILT_IN_TOPICS = ['sensors/{device}/telemetry', 'sensors/{device}/{metric}'] as const;

/** One topic's way through the decoder; made once, then found by its topic. */
export interface Route {
  readonly topic: string;
  /** Null when no device speaks here that may, or when the messages name their devices. */
  readonly device: DeviceRef | null;
}

/** Plain JSON and plain values are decoded by the fast path of the decoder itself. */
export type RouteFormat = 'json' | 'scalar' | Format;

/** A profile as the decoder uses it. */
export interface CompiledProfile {
  readonly profile: Profile;
  readonly metrics: readonly DefinedMetric[];
  readonly metricByName: ReadonlyMap<string, DefinedMetric>;
  readonly time: JsonPath | null;
  readonly format: RouteFormat;
  readonly codec: Codec | null;
  /** What is not taken under its own path: the metrics' paths and names, and the time. */
  readonly claimed: ReadonlySet<string>;
}

/** How a topic was recognised. */
export interface Way {
  readonly topic: string;
  readonly levels: readonly string[];
  readonly candidate: Candidate;
  readonly match: TopicMatch;
}

export interface OpenRoute extends Route {
  readonly kind: 'open';
  readonly way: Way;
  readonly device: DeviceRef;
  readonly known: KnownDevice;
  readonly profile: CompiledProfile | null;
  readonly format: RouteFormat;
  /** From the topic: the name of a scalar, or what stands before the names of an object. */
  readonly metric: string | null;
  /** A scalar's definition, where the profile has one. */
  readonly scalar: DefinedMetric | null;
  /** The last message's names, admitted: the next message most likely has the same. */
  lastShape: InternedShape | null;
  /** Names whose units have been told already. */
  readonly described: WeakSet<Shape>;
}

/** The topic names no device: the messages do. */
export interface SharedRoute extends Route {
  readonly kind: 'shared';
  readonly way: Way;
  readonly device: null;
  readonly format: Format;
}

/** Every message on this topic, or of this device, meets the same end. */
export interface ClosedRoute extends Route {
  readonly kind: 'closed';
  readonly device: null;
  readonly closed: {
    readonly kind: 'refused' | 'rejected';
    readonly device: string | null;
    readonly reason: string;
    readonly detail: string;
  };
}

/** What is remembered of a device that has spoken. */
export interface KnownDevice {
  readonly id: string;
  /** The names it has used, as far as they are counted against the limit. */
  readonly metrics: Set<string>;
  readonly refs: Map<string, DeviceRef>;
}

const REFS_MAX = 64;

export interface Candidate {
  readonly template: TopicTemplate;
  readonly profile: CompiledProfile | null;
  /** Null: json, or scalar where the topic names the metric. */
  readonly format: RouteFormat | null;
}

const builtIn = (topic: string, format: Format | null): Candidate => ({ template: templateOf(topic), profile: null, format });
const BUILT_IN: readonly Candidate[] = [
  ...FORMATS.flatMap((format) => format.topics.map((topic) => builtIn(topic, format))),
  ...BUILT_IN_TOPICS.map((topic) => builtIn(topic, null)),
].sort((a, b) => byPrecedence(a.template, b.template));
/** Of a topic that nothing but a discovery message has named. */
const NOTHING_MATCHED: TopicMatch = { device: null, metric: null, labels: {}, rest: [] };
const DISCOVERED: Candidate = builtIn('{device}', DISCOVERY);

export class Router {
  readonly #candidates: readonly Candidate[];
  readonly #profiles: ReadonlyMap<string, CompiledProfile>;
  readonly #fleet: ReadonlyMap<string, FleetDevice>;
  readonly #unknown: DeviceDirectory['unknown'];
  readonly #devices = new Map<string, KnownDevice>();
  readonly #devicesMax: number;
  readonly #learned: Learned;

  /** @param devicesMax 0 is no limit */
  constructor(directory: DeviceDirectory, { devicesMax, learned, codecs }: { devicesMax: number; learned: Learned; codecs: Codecs }) {
    this.#learned = learned;
    this.#unknown = directory.unknown;
    this.#fleet = new Map(directory.fleet.map((device) => [device.id, device]));
    const compiled = directory.profiles.map((profile) => compileProfile(profile, codecs));
    this.#profiles = new Map(compiled.map((profile) => [profile.profile.name, profile]));
    const own = compiled.flatMap((profile) =>
      profile.profile.topics.map((topic): Candidate => ({ template: templateOf(topic), profile, format: profile.format })),
    );
    this.#candidates = [...own.sort((a, b) => byPrecedence(a.template, b.template)), ...BUILT_IN];
    this.#devicesMax = devicesMax;
  }

  /** How many devices have spoken. */
  get devicesKnown(): number {
    return this.#devices.size;
  }

  /**
   * Takes over the devices that have spoken, as far as they still may: what is stored of them is there, whatever the files
   * say now. The names of their metrics only while all profiles are as they were, or renamed ones would count twice.
   */
  succeed(before: Router): void {
    const profilesOf = (router: Router): string => JSON.stringify([...router.#profiles.values()].map(({ profile }) => profile));
    const isAsBefore = profilesOf(before) === profilesOf(this);
    for (const [id, { metrics }] of before.#devices) {
      const listed = this.#fleet.get(id);
      if (listed === undefined && this.#unknown !== 'accept') continue;
      const keepsNames = isAsBefore && listed?.profile === before.#fleet.get(id)?.profile;
      this.#devices.set(id, { id, metrics: keepsNames ? metrics : new Set(), refs: new Map() });
    }
  }

  /** How sensors' topics look, and what speaks there, as they are tried. */
  get candidates(): readonly Candidate[] {
    return this.#candidates;
  }

  /** The topics on which sensors speak, as they are tried. */
  get templates(): readonly string[] {
    return this.#candidates.map(({ template }) => template.text);
  }

  /** @returns null for a topic on which no sensor speaks */
  route(topic: string): OpenRoute | SharedRoute | ClosedRoute | null {
    let best = this.way(topic);
    if (best === null && this.#learned.get(topicKey(topic)) !== undefined)
      best = { topic, levels: topic.split('/'), candidate: DISCOVERED, match: NOTHING_MATCHED };
    if (best === null) return null;
    const { candidate, match } = best;
    if (match.device !== null) return this.open(best, match.device, match.labels);
    // What names no device in its topic has a format that does in its messages: `check` sees to that.
    return isFormat(candidate.format) ? { kind: 'shared', topic, way: best, device: null, format: candidate.format } : null;
  }

  /** How a topic is recognised by its looks alone; nothing is remembered of it. Null: it is not. */
  way(topic: string): Way | null {
    const levels = topic.split('/');
    let best: Way | null = null;
    for (const candidate of this.#candidates) {
      const match = matchTemplate(candidate.template, levels);
      if (match === null || !speaksOn(candidate, levels)) continue;
      best ??= { topic, levels, candidate, match };
      const named = match.device === null ? null : (this.#fleet.get(match.device)?.profile ?? null);
      if (named !== null && candidate.profile?.profile.name === named) return { topic, levels, candidate, match };
    }
    return best;
  }

  /** The route of a device that does not come by topic: as if it had published on the built-in one. */
  routeDevice(id: string): OpenRoute | ClosedRoute {
    const levels = ['sensors', id, 'telemetry'];
    const plain = builtIn(BUILT_IN_TOPICS[0], null);
    const candidate = this.#candidates.find(({ template }) => {
      const match = matchTemplate(template, levels);
      return match !== null && match.device === id && match.metric === null && Object.keys(match.labels).length === 0;
    });
    return this.open({ topic: '', levels, candidate: candidate ?? plain, match: { ...NOTHING_MATCHED, device: id } }, id, {});
  }

  /** The route of a device under a way: the one in the topic, or one that a message has named. */
  open(way: Way, id: string, labels: Readonly<Record<string, string>>): OpenRoute | ClosedRoute {
    const { topic, candidate, match } = way;
    const close = (kind: 'refused' | 'rejected', reason: string, detail: string, device: string | null = id): ClosedRoute => ({
      kind: 'closed',
      topic,
      device: null,
      closed: { kind, device, reason, detail },
    });
    const deviceProblem = nameProblem(id) ?? (/[+#]/.test(id) ? 'a device may be in a topic: no + or #' : null);
    if (deviceProblem !== null) return close('rejected', 'invalid-device', deviceProblem, null);
    if (id === SELF) return close('rejected', 'reserved-device', `${SELF} is the device as which Tocsin tells of itself`);
    const metricProblem = match.metric === null ? null : nameProblem(match.metric);
    if (metricProblem !== null) return close('rejected', 'invalid-metric', metricProblem);
    const listed = this.#fleet.get(id);
    if (listed === undefined && this.#unknown !== 'accept') {
      const kind = this.#unknown === 'reject' ? 'refused' : 'rejected';
      return close(kind, 'unknown-device', `${id} is not in the fleet file`);
    }
    const known = this.#known(id, listed !== undefined);
    if (known === null) return close('rejected', TOO_MANY_DEVICES, `${this.#devicesMax} devices have spoken (mqtt.limits.devices)`);

    const named = listed?.profile == null ? undefined : this.#profiles.get(listed.profile);
    const profile = named ?? candidate.profile;
    const format = formatOf(profile, way);
    const device = refOf(known, profile?.profile.name ?? null, { ...labels, ...listed?.labels });
    const scalar = format === 'scalar' ? scalarDefinition(profile, match.metric) : null;
    return {
      kind: 'open',
      topic,
      way,
      device,
      known,
      profile,
      format,
      metric: match.metric,
      scalar,
      lastShape: null,
      described: new WeakSet(),
    };
  }

  #known(id: string, isListed: boolean): KnownDevice | null {
    const known = this.#devices.get(id);
    if (known !== undefined) return known;
    if (!isListed && this.#devicesMax > 0 && this.#devices.size >= this.#devicesMax) return null;
    const device: KnownDevice = { id, metrics: new Set(), refs: new Map() };
    this.#devices.set(id, device);
    return device;
  }
}

function refOf(known: KnownDevice, profile: string | null, labels: Record<string, string>): DeviceRef {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const key = JSON.stringify([profile, sorted]);
  const interned = known.refs.get(key);
  if (interned !== undefined) return interned;
  const ref: DeviceRef = Object.freeze({ id: known.id, profile, labels: Object.freeze(Object.fromEntries(sorted)) });
  // A label from the topic may take any value: what one device leaves behind has a limit.
  if (known.refs.size >= REFS_MAX) known.refs.clear();
  known.refs.set(key, ref);
  return ref;
}

/** True when the messages of such topics name devices themselves. */
export const namesDevices = ({ profile, format }: Candidate): boolean => {
  const spoken = profile?.format ?? format;
  return isFormat(spoken) && spoken.namesDevices;
};

const isFormat = (format: RouteFormat | null): format is Format => typeof format === 'object' && format !== null;

/** A profile's topics are its own, whatever they look like. */
const speaksOn = ({ profile, format }: Candidate, levels: readonly string[]): boolean =>
  profile !== null || !isFormat(format) || format.speaksOn?.(levels) !== false;

/** A profile's own format counts on its own topics; elsewhere a topic's, unless the profile's is one of those that nothing else speaks. */
function formatOf(profile: CompiledProfile | null, { candidate, match }: Way): RouteFormat {
  if (profile !== null && (profile === candidate.profile || isFormat(profile.format))) return profile.format;
  const byTopic = match.metric === null ? 'json' : 'scalar';
  return candidate.profile === null ? (candidate.format ?? byTopic) : byTopic;
}

function scalarDefinition(profile: CompiledProfile | null, metric: string | null): DefinedMetric | null {
  if (profile === null) return null;
  if (metric !== null) return profile.metrics.find(({ definition }) => definition.path === metric) ?? null;
  return profile.metrics[0] ?? null;
}

/** @throws a programmer's error: the profile was checked */
export function compileProfile(profile: Profile, codecs: Codecs): CompiledProfile {
  const metrics = profile.metrics.map((definition) => ({ definition, path: pathOf(definition.path) }));
  return {
    profile,
    metrics,
    metricByName: new Map(metrics.map((metric) => [metric.definition.name, metric])),
    time: profile.time === null ? null : pathOf(profile.time),
    format: profileFormat(profile),
    codec: codecs(profile),
    claimed: new Set([
      ...profile.metrics.flatMap(({ name, path }) => [name, path]),
      ...[profile.time, profile.device].filter((path) => path !== null),
    ]),
  };
}

function profileFormat({ decode, device }: Profile): RouteFormat {
  if (decode === 'json') return device === null ? decode : jsonByDevice(pathOf(device));
  return decode === 'scalar' ? decode : formatNamed(decode);
}

function pathOf(path: string): JsonPath {
  const parsed = parsePath(path);
  if (parsed === null) throw new Error(`a profile with the path ${path} passed its check`);
  return parsed;
}

function templateOf(text: string): TopicTemplate {
  const template = parseTemplate(text);
  if (typeof template === 'string') throw new Error(`a profile with the topic ${text} passed its check: ${template}`);
  return template;
}

/** The name under which a scalar is stored, or why there is none. */
export function scalarName(route: OpenRoute): string | Refusal {
  if (route.scalar !== null) return route.scalar.definition.name;
  return route.metric ?? new Refusal('no-metric', 'neither the topic nor the profile names the metric');
}
