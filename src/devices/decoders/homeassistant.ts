/**
 * Home Assistant's MQTT discovery. What a config message says (discovery.ts) is learned by topic, so that the state topics, wherever
 * they are, decode without a profile. A topic that has a format or profile of its own keeps it: discovery then adds the units only.
 * An empty config message takes back what the one before it said.
 *
 * Templates are not run; what they read is known (value-template.ts).
 *
 * Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
 */
import { type Entity, readDiscovery } from './discovery.ts';
import {
  beginsObject,
  type Format,
  type FormatMessage,
  type Learned,
  type Part,
  parseExactly,
  readObject,
  readText,
  topicKey,
} from './format.ts';
import { type JsonPath, lookUp, parsePath } from './json.ts';
import { freeScalar, Refusal } from './value.ts';
import type { ValueTemplate } from './value-template.ts';

/** What discovery said of one topic: entities by the topic of their config message. */
type Binding = Readonly<Record<string, readonly Entity[]>>;

const ENTITIES_MAX = 200;

export const homeassistant: Format = {
  name: 'homeassistant',
  topics: ['homeassistant/#'],
  namesDevices: true,
  readsEmpty: true,
  bearsTime: false,
  read(message, learned) {
    const { match, topic } = message;
    // <component>/[<node>/]<object>/config
    if (match.rest.at(-1) === 'config' && match.rest.length >= 3) return learnConfig(message, learned);
    const binding = bindingOf(learned.get(topicKey(topic)));
    return binding === null || message.payload.length === 0 ? [] : readState(message.payload, binding);
  },
};

/**
 * Metric → unit, as discovery gave them for a topic of another format. A unit of what a template makes of a value is none of the value.
 * @param known what is learned of the topic
 * @param metrics what it has
 */
export function boundUnits(known: unknown, metrics: readonly string[]): Readonly<Record<string, string>> {
  const binding = bindingOf(known);
  if (binding === null) return {};
  const units: Record<string, string> = {};
  for (const { unit, template } of Object.values(binding).flat()) {
    if (unit === null || template.scale !== 1 || template.offset !== 0) continue;
    // The whole payload is the one metric there is, whatever it is called.
    const metric = template.path ?? (metrics.length === 1 ? metrics[0] : undefined);
    if (metric !== undefined) units[metric] = unit;
  }
  return units;
}

// Only this file writes under a topic's key, and what it wrote came back as it was.
const bindingOf = (known: unknown): Binding | null => (known === undefined ? null : (known as Binding));

function learnConfig({ topic, match, payload }: FormatMessage, learned: Learned): readonly Part[] | Refusal {
  const config = payload.length === 0 ? {} : readObject(payload);
  if (config instanceof Refusal) return config;
  const prefix = topic.split('/').slice(0, -match.rest.length).join('/');
  const discovered = readDiscovery(config, { prefix, levels: match.rest });
  if (discovered instanceof Refusal) return discovered;
  const { entities, name } = discovered;
  const key = `homeassistant ${topic}`;
  const before = learned.get(key);
  for (const old of Array.isArray(before) ? before.map(String) : [])
    if (!entities.has(old)) bind(learned, old, { config: topic, entities: [] });
  // First what is to be taken back one day: what is bound and not listed would stay.
  if (!learned.set(key, entities.size === 0 ? null : [...entities.keys()])) return tooMuch(topic);
  let refusal: Refusal | null = null;
  for (const [state, told] of entities) {
    const isBound = bind(learned, state, { config: topic, entities: told });
    // Availability of a bridge is that of hundreds of devices: those that find no room have their readings all the same.
    if (!isBound && told.some(({ words, unit }) => words === null || unit !== null)) refusal ??= tooMuch(state);
  }
  for (const { device, metric, unit } of [...entities.values()].flat())
    if (name !== null || unit !== null) learned.describe(device, { ...(name && { name }), ...(unit && { units: { [metric]: unit } }) });
  return refusal ?? [];
}

const tooMuch = (topic: string): Refusal =>
  new Refusal('too-much-learned', `${topic}: there is no more room for what discovery messages say`);

/** @param entities none: the topic is no longer that config's */
function bind(learned: Learned, topic: string, { config, entities }: { config: string; entities: readonly Entity[] }): boolean {
  const { [config]: old = [], ...others } = bindingOf(learned.get(topicKey(topic))) ?? {};
  if (entities.length === 0) return learned.set(topicKey(topic), Object.keys(others).length === 0 ? null : others);
  const count = Object.values(others).reduce((sum, { length }) => sum + length, entities.length);
  // What has its room may change within it, whoever came after.
  if (count > ENTITIES_MAX && entities.length > old.length) return false;
  return learned.set(topicKey(topic), { ...others, [config]: entities });
}

interface Reader extends Entity {
  readonly path: JsonPath | null;
}

/** What a binding says, ready to read by: the learned object stays the same until it changes. */
const readers = new WeakMap<Binding, readonly Reader[]>();

function readersOf(binding: Binding): readonly Reader[] {
  const known = readers.get(binding);
  if (known !== undefined) return known;
  const made = Object.values(binding)
    .flat()
    .map((entity): Reader => ({ ...entity, path: entity.template.path === null ? null : parsePath(entity.template.path) }))
    .filter(({ path, template }) => path !== null || template.path === null);
  readers.set(binding, made);
  return made;
}

function readState(payload: Uint8Array, binding: Binding): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const entities = readersOf(binding);
  const document = entities.some(({ path }) => path !== null) ? parseExactly(text) : null;
  const word = beginsObject(payload) ? undefined : text.trim();
  const byDevice = new Map<string, Record<string, unknown>>();
  for (const { device, metric, path, template, words } of entities) {
    const raw = path === null ? word : document instanceof Refusal ? undefined : lookUp(document, path);
    const made = madeOf(template, raw);
    const value = words === null ? made : wordOf(made, words);
    if (value === undefined) continue;
    const values = byDevice.get(device) ?? {};
    values[metric] = value;
    byDevice.set(device, values);
  }
  // A last will may be a word where the state is JSON.
  if (document instanceof Refusal && byDevice.size === 0) return document;
  return [...byDevice].map(([device, values]) => ({ device, values }));
}

function madeOf({ scale, offset, choice, path }: ValueTemplate, raw: unknown): unknown {
  if (raw === undefined || raw === null) return undefined;
  if (choice !== null) return says(raw, choice.equals) ? choice.word : choice.other;
  const number = typeof raw === 'string' && (path === null || scale !== 1 || offset !== 0) ? freeScalar(raw.trim()) : raw;
  if (typeof number !== 'number') return raw;
  // Through decimals, as 2875 / 1000 is meant to be 2.875.
  return scale === 1 && offset === 0 ? number : Number((number * scale + offset).toPrecision(15));
}

/** Words compare as text: `payload_on: false` is a JSON false in the state, and so is `False`, which a template makes of it. */
const says = (raw: unknown, word: string): boolean =>
  String(raw) === word || (typeof raw === 'boolean' && String(raw) === word.toLowerCase());

/** What is neither word stays as it is. */
function wordOf(raw: unknown, [on, off]: readonly [string, string]): unknown {
  if (raw === undefined) return undefined;
  return says(raw, on) ? true : says(raw, off) ? false : raw;
}
