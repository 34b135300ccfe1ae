/**
 * What was published → kinds of devices: topics that one profile would be for, with the format that reads them. Topics that a format
 * or Tocsin itself knows are its own; others are put together when they have as many levels, payloads alike, and differ in one level,
 * two ids counting as alike.
 */

import type { DeviceDirectory } from '../../domain/device.ts';
import { BUILT_IN_ONLY } from '../codecs/codecs.ts';
import type { Format } from '../decoders/format.ts';
import type { LearnedTable } from '../learned.ts';
import { type OpenRoute, Router, type SharedRoute } from '../routing.ts';
import { parseTemplate } from '../template.ts';
import { isId, type Levels, levelsOf } from './device-level.ts';
import { documentsOf, type Heard, type Look, lookOf } from './heard.ts';
import { isMetricWord } from './metric-words.ts';

export interface Kind {
  /** Templates. */
  readonly topics: readonly string[];
  readonly decode: string;
  /** The one metric of a value whose topic names none; else null. */
  readonly metric: string | null;
  readonly heard: readonly Heard[];
  readonly doubts: readonly string[];
  /** MQTT filters that would hear no more than this kind. */
  readonly filters: readonly string[];
}

export interface Kinds {
  /** Those most was heard of come first. */
  readonly kinds: readonly Kind[];
  /** Topics that discovery messages bind: they need no profile. */
  readonly discovered: readonly string[];
  /** Topics whose payloads are neither JSON nor a value, or that no template could name. */
  readonly unreadable: readonly string[];
}

const NOTHING_LISTED: DeviceDirectory = { profiles: [], fleet: [], groups: [], unknown: 'accept' };

interface Topic {
  readonly levels: readonly string[];
  readonly heard: Heard[];
  readonly look: Look;
  readonly keys: ReadonlySet<string>;
}

/** @param learned what the discovery messages among them teach */
export function kindsOf(heard: readonly Heard[], learned: LearnedTable): Kinds {
  const router = new Router(NOTHING_LISTED, { devicesMax: 0, learned, codecs: BUILT_IN_ONLY });
  const known = new Map<string, { decode: string; topics: Set<string>; heard: Heard[] }>();
  const discovered: string[] = [];
  const unreadable: string[] = [];
  const free: Topic[] = [];
  for (const [topic, messages] of Map.groupBy(heard, (message) => message.topic)) {
    const route = router.route(topic);
    if (route === null) {
      if (/[{}+#]/.test(topic) || typeof parseTemplate(topic) === 'string') unreadable.push(topic);
      else free.push(topicOf(topic, messages));
    } else if (route.kind === 'closed') continue;
    else if (isDiscovered(route)) discovered.push(topic);
    else {
      const { template } = route.way.candidate;
      const decode = typeof route.format === 'object' ? route.format.name : route.format;
      const key = typeof route.format === 'object' ? decode : template.text;
      const kind = known.get(key) ?? { decode, topics: new Set(), heard: [] };
      kind.topics.add(template.text);
      kind.heard.push(...messages);
      known.set(key, kind);
    }
  }
  const families = familiesOf(free.filter(({ look }) => look !== 'other'));
  const kinds: Kind[] = [
    ...[...known.values()].map(({ topics, ...kind }) => ({
      ...kind,
      topics: [...topics],
      metric: null,
      doubts: [],
      filters: [...topics].map(filterOf),
    })),
    ...joined(families.map(kindOf)),
  ];
  for (const { look, levels } of free) if (look === 'other') unreadable.push(levels.join('/'));
  return { kinds: kinds.sort((a, b) => b.heard.length - a.heard.length), discovered, unreadable };
}

const isDiscovered = ({ way, format }: OpenRoute | SharedRoute): boolean =>
  typeof format === 'object' && !(format satisfies Format).topics.includes(way.candidate.template.text);

function topicOf(topic: string, heard: Heard[]): Topic {
  const looks = new Set(heard.map(({ payload }) => lookOf(payload)));
  // Now and then a text beside objects is the device's own business.
  const look = looks.has('object') ? 'object' : looks.has('value') ? 'value' : 'other';
  const keys = new Set(look === 'object' ? heard.flatMap(({ payload }) => (documentsOf(payload) ?? []).flatMap(Object.keys)) : []);
  return { levels: topic.split('/'), heard, look, keys };
}

/** How many families of other keys a bucket may have before it is not looked for any more. */
const REPRESENTATIVES_MAX = 20;

/** Topics that differ in one level, over any number of steps. */
function familiesOf(topics: readonly Topic[]): Topic[][] {
  const parents = new Map<Topic, Topic>();
  const root = (topic: Topic): Topic => {
    let top = topic;
    for (let parent = parents.get(top); parent !== undefined; parent = parents.get(top)) top = parent;
    return top;
  };
  const buckets = new Map<string, Topic[]>();
  for (const topic of topics) {
    const signature = topic.levels.map((level) => (isId(level) ? '\u0001' : level));
    const masks = signature.map((_, masked) => signature.map((level, index) => (index === masked ? '\u0001' : level)).join('/'));
    // A single level tells nothing apart.
    for (const mask of signature.length === 1 ? [] : masks) {
      const key = `${topic.look} ${mask}`;
      const bucket = buckets.get(key) ?? [];
      const alike = bucket.find((other) => isAlike(topic, other));
      if (alike !== undefined && root(alike) !== root(topic)) parents.set(root(topic), root(alike));
      if (alike === undefined && bucket.length < REPRESENTATIVES_MAX) bucket.push(topic);
      buckets.set(key, bucket);
    }
  }
  return [...Map.groupBy(topics, root).values()];
}

/** Objects are alike that have half of the keys of the smaller one in common. */
function isAlike(a: Topic, b: Topic): boolean {
  if (a.look !== 'object') return true;
  const common = [...a.keys].filter((key) => b.keys.has(key)).length;
  return common * 2 >= Math.min(a.keys.size, b.keys.size);
}

interface Family extends Kind {
  readonly devices: ReadonlySet<string>;
}

function kindOf(family: readonly Topic[]): Family {
  const topics = family.map(({ levels }) => levels);
  const look = family[0]?.look === 'object' ? 'object' : 'value';
  const levels = levelsOf(topics, look);
  const template = templateOf(topics[0] ?? [], levels);
  return {
    topics: [template],
    decode: look === 'object' ? 'json' : 'scalar',
    metric: look === 'object' || levels.metric !== null ? null : metricIn(topics[0] ?? [], levels.device),
    heard: family.flatMap(({ heard }) => heard),
    doubts: levels.doubts,
    devices: new Set(topics.map((of) => of[levels.device] ?? '')),
    filters: [filterOf(template)],
  };
}

function templateOf(levels: readonly string[], { device, metric, labels }: Levels): string {
  const taken = new Set(['device', 'metric']);
  return levels
    .map((level, index) => {
      if (index === device) return '{device}';
      if (index === metric) return '{metric}';
      if (!labels.includes(index)) return level;
      const before = levels[index - 1] ?? '';
      const wanted = /^[A-Za-z]{2,30}$/.test(before) && index - 1 !== device ? before.toLowerCase().replace(/(?<![su])s$/, '') : '';
      const name = wanted === '' || taken.has(wanted) ? `level${index + 1}` : wanted;
      taken.add(name);
      return `{${name}}`;
    })
    .join('/');
}

/** What a value is called whose topic has no level for it: the level that says what is measured, else the last one. */
function metricIn(levels: readonly string[], device: number): string {
  const others = levels.filter((level, index) => index !== device && level !== '');
  return others.findLast(isMetricWord) ?? (device < levels.length - 1 ? others.at(-1) : undefined) ?? 'value';
}

const filterOf = (template: string): string => template.replace(/\{[^/]+\}/g, '+');

/** Families of the same devices are one kind: a device has one profile. */
function joined(families: readonly Family[]): Kind[] {
  const kinds: Family[] = [];
  for (const family of families.toSorted((a, b) => b.heard.length - a.heard.length)) {
    const index = kinds.findIndex((kind) => kind.decode === family.decode && areSame(kind.devices, family.devices));
    const kind = kinds[index];
    // A value without a name in its topic takes the profile for itself.
    if (kind === undefined || kind.metric !== null || family.metric !== null) {
      kinds.push(family);
      continue;
    }
    kinds[index] = {
      ...kind,
      topics: [...new Set([...kind.topics, ...family.topics])],
      heard: [...kind.heard, ...family.heard],
      doubts: [...new Set([...kind.doubts, ...family.doubts])],
      devices: new Set([...kind.devices, ...family.devices]),
      filters: [...kind.filters, ...family.filters],
    };
  }
  return kinds;
}

function areSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const common = [...a].filter((device) => b.has(device)).length;
  return common > 0 && common * 2 >= Math.min(a.size, b.size);
}
