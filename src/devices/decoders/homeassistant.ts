/**
 * Home Assistant's MQTT discovery: `homeassistant/<component>/[<node>/]<object>/config` says on which topic an entity tells its state, and
 * in which unit. What it says is learned by topic, so that the state topics, wherever they are, decode without a profile. A topic that
 * has a format or profile of its own keeps it: discovery then adds the units only.
 *
 * A device is `device.identifiers`, else the topic's node, else the object of a state topic below `homeassistant/`, else the object; it is
 * called `device.name`. A metric is the path in a `value_template` of the form `value_json.a.b`, else the entity's name.
 * Templates that compute are not run: what they read is kept as it comes. An empty config message takes the entity back.
 *
 * Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery (abbreviations in homeassistant/components/mqtt/abbreviations.py).
 */
import { AVAILABILITY, type Format, type FormatMessage, type Learned, type Part, readObject, readText, topicKey } from './format.ts';
import { isObject, type JsonObject, lookUp, parseJson, parsePath } from './json.ts';
import { Refusal } from './value.ts';

/** What discovery said of one topic: entities by the topic of their config message. */
type Binding = Readonly<Record<string, Entity>>;

interface Entity {
  readonly device: string;
  readonly metric: string;
  /** In a JSON state; null: the whole payload is the value. */
  readonly path: string | null;
  readonly unit: string | null;
  /** Payloads that mean true and false; null: the value counts as it is. */
  readonly words: readonly [on: string, off: string] | null;
}

const ENTITIES_MAX = 200;
const ON_OFF = new Set(['binary_sensor', 'switch', 'light', 'fan', 'siren', 'input_boolean']);
const VALUE_PATH = /^\s*\{\{\s*value_json((?:\.[A-Za-z_]\w*|\[\s*(?:'[^']*'|"[^"]*"|\d+)\s*\])+)/;
const PATH_STEP = /\.([A-Za-z_]\w*)|\[\s*(?:'([^']*)'|"([^"]*)"|(\d+))\s*\]/g;

export const homeassistant: Format = {
  name: 'homeassistant',
  topics: ['homeassistant/#'],
  namesDevices: true,
  readsEmpty: true,
  bearsTime: false,
  read(message, learned) {
    const { levels, topic } = message;
    if (levels.at(-1) === 'config' && levels.length >= 4) return learnConfig(message, learned);
    const binding = bindingOf(learned.get(topicKey(topic)));
    return binding === null || message.payload.length === 0 ? [] : readState(message.payload, binding);
  },
};

/** Metric → unit, as discovery gave them for a topic. @param known what is learned of it */
export function boundUnits(known: unknown): Readonly<Record<string, string>> {
  const binding = bindingOf(known);
  if (binding === null) return {};
  const entities = Object.values(binding);
  return Object.fromEntries(entities.flatMap(({ path, metric, unit }) => (unit === null ? [] : [[path ?? metric, unit]])));
}

// Only this file writes under a topic's key, and what it wrote came back as it was.
const bindingOf = (known: unknown): Binding | null => (known === undefined ? null : (known as Binding));

function learnConfig({ topic, levels, payload }: FormatMessage, learned: Learned): readonly Part[] | Refusal {
  const before = learned.get(`homeassistant ${topic}`);
  const bound = Array.isArray(before) ? before.map(String) : [];
  const config = payload.length === 0 ? null : readObject(payload);
  if (config instanceof Refusal) return config;
  const entities = config === null ? new Map<string, Entity>() : entitiesOf(config, levels);
  for (const old of bound) if (!entities.has(old)) bind(learned, old, { config: topic, entity: null });
  for (const [state, entity] of entities) {
    if (!bind(learned, state, { config: topic, entity }))
      return new Refusal('too-much-learned', `${state}: there is no more room for what discovery messages say`);
  }
  learned.set(`homeassistant ${topic}`, entities.size === 0 ? null : [...entities.keys()]);
  describe(config, entities, learned);
  return [];
}

function bind(learned: Learned, topic: string, { config, entity }: { config: string; entity: Entity | null }): boolean {
  const { [config]: _old, ...others } = bindingOf(learned.get(topicKey(topic))) ?? {};
  if (entity === null) return learned.set(topicKey(topic), Object.keys(others).length === 0 ? null : others);
  if (Object.keys(others).length >= ENTITIES_MAX) return false;
  return learned.set(topicKey(topic), { ...others, [config]: entity });
}

function describe(config: JsonObject | null, entities: ReadonlyMap<string, Entity>, learned: Learned): void {
  const about = config === null ? undefined : (config.device ?? config.dev);
  const name = isObject(about) && typeof about.name === 'string' ? about.name : undefined;
  for (const { device, metric, unit } of entities.values()) {
    if (name !== undefined || unit !== null)
      learned.describe(device, { ...(name && { name }), ...(unit && { units: { [metric]: unit } }) });
  }
}

/** State and availability topics of a config message, each with what it says. */
function entitiesOf(config: JsonObject, levels: readonly string[]): Map<string, Entity> {
  const base = textOf(config['~']) ?? '';
  const topicOf = (value: unknown): string | null => {
    const text = textOf(value);
    if (text === null) return null;
    return text.startsWith('~') ? base + text.slice(1) : text.endsWith('~') ? text.slice(0, -1) + base : text;
  };
  const state = topicOf(config.state_topic ?? config.stat_t);
  const device = deviceOf(config, { levels, state });
  const found = new Map<string, Entity>();
  const available = topicOf(config.availability_topic ?? config.avty_t) ?? topicOf(firstAvailability(config));
  if (available !== null) {
    const words = [
      config.payload_available ?? config.pl_avail ?? 'online',
      config.payload_not_available ?? config.pl_not_avail ?? 'offline',
    ];
    found.set(available, { device, metric: AVAILABILITY, path: null, unit: null, words: [String(words[0]), String(words[1])] });
  }
  if (state !== null) found.set(state, stateEntity(config, { device, component: levels[1] ?? '', object: levels.at(-2) ?? '' }));
  return found;
}

function firstAvailability(config: JsonObject): unknown {
  const list = config.availability ?? config.avty;
  const [first]: unknown[] = Array.isArray(list) ? list : [];
  return isObject(first) ? (first.topic ?? first.t) : undefined;
}

function stateEntity(config: JsonObject, of: { device: string; component: string; object: string }): Entity {
  const path = pathOf(textOf(config.value_template ?? config.val_tpl));
  const words = [config.payload_on ?? config.pl_on ?? 'ON', config.payload_off ?? config.pl_off ?? 'OFF'];
  return {
    device: of.device,
    metric: path ?? textOf(config.name) ?? of.object,
    path,
    unit: textOf(config.unit_of_measurement ?? config.unit_of_meas),
    words: ON_OFF.has(of.component) ? [String(words[0]), String(words[1])] : null,
  };
}

function deviceOf(config: JsonObject, { levels, state }: { levels: readonly string[]; state: string | null }): string {
  const about = config.device ?? config.dev;
  const identifiers = isObject(about) ? (about.identifiers ?? about.ids) : undefined;
  const identifier: unknown = Array.isArray(identifiers) ? identifiers[0] : identifiers;
  if (typeof identifier === 'string' || typeof identifier === 'number') return String(identifier);
  // homeassistant/<component>/<node>/<object>/config
  if (levels.length >= 5) return levels[2] ?? '';
  const [prefix, , object, ...rest] = state?.split('/') ?? [];
  return prefix === levels[0] && object !== undefined && rest.length === 1 ? object : (levels[2] ?? '');
}

/** `{{ value_json.a['b'] | round(1) }}` → `a.b`; null where the template reads no such path. */
function pathOf(template: string | null): string | null {
  const steps = template === null ? undefined : VALUE_PATH.exec(template)?.[1];
  if (steps === undefined) return null;
  return [...steps.matchAll(PATH_STEP)].map(([, name, single, double, index]) => name ?? single ?? double ?? index ?? '').join('.');
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

function readState(payload: Uint8Array, binding: Binding): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const entities = Object.values(binding);
  const isDocument = entities.some(({ path }) => path !== null);
  const document = isDocument ? parseJson(text, /\d{16}/.test(text) ? 'exact' : 'double') : null;
  if (document instanceof Refusal) return document;
  const byDevice = new Map<string, Record<string, unknown>>();
  for (const { device, metric, path, words } of entities) {
    const values = byDevice.get(device) ?? {};
    const raw = path === null ? text.trim() : lookUpPath(document, path);
    const value = words === null ? raw : wordOf(raw, words);
    if (value !== undefined) values[metric] = value;
    byDevice.set(device, values);
  }
  return [...byDevice].map(([device, values]) => ({ device, values }));
}

function lookUpPath(document: unknown, path: string): unknown {
  const parsed = parsePath(path);
  return parsed === null ? undefined : lookUp(document, parsed);
}

/** Words compare as text: `payload_on: false` is a JSON false in the state. What is neither word stays as it is. */
function wordOf(raw: unknown, [on, off]: readonly [string, string]): unknown {
  if (raw === undefined || raw === null) return undefined;
  if (String(raw) === on) return true;
  return String(raw) === off ? false : raw;
}
