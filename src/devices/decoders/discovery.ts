/**
 * A Home Assistant discovery message → what it says of topics: for each, the entities that tell their state or availability there. Both
 * kinds are read: of one entity (`homeassistant/sensor/…/config`) and of a device with all of its own (`homeassistant/device/…/config`,
 * `components`). Keys may be abbreviated, topics begin or end with `~`.
 *
 * A device is `device.identifiers`, else its first connection, else the topic's node, else the object of a state topic below
 * `homeassistant/`, else the object. A metric is the path that the template reads, else the entity's name, else its object: also
 * where the path is `value` or `state`, as a device may have many such topics.
 *
 * Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery; homeassistant/components/mqtt/abbreviations.py
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { textOf } from './fields.ts';
import { isObject, type JsonObject } from './json.ts';
import { Refusal } from './value.ts';
import { readTemplate, type ValueTemplate } from './value-template.ts';

export interface Entity {
  readonly device: string;
  readonly metric: string;
  readonly template: ValueTemplate;
  readonly unit: string | null;
  /** Payloads that mean true and false; null: the value counts as it is. */
  readonly words: readonly [on: string, off: string] | null;
}

export interface Discovered {
  readonly name: string | null;
  readonly entities: ReadonlyMap<string, readonly Entity[]>;
}

const COMPONENTS_MAX = 200;
const ON_OFF = new Set(['binary_sensor', 'switch', 'light', 'fan', 'siren', 'input_boolean', 'humidifier']);
/** What an entity tells beside its state: name, topic, template. */
const FURTHER: readonly (readonly [name: string, topic: string, template: string])[] = [
  ['current_temperature', 'current_temperature_topic', 'current_temperature_template'],
  ['temperature', 'temperature_state_topic', 'temperature_state_template'],
  ['temperature_high', 'temperature_high_state_topic', 'temperature_high_state_template'],
  ['temperature_low', 'temperature_low_state_topic', 'temperature_low_state_template'],
  ['current_humidity', 'current_humidity_topic', 'current_humidity_template'],
  ['humidity', 'target_humidity_state_topic', 'target_humidity_state_template'],
  ['mode', 'mode_state_topic', 'mode_state_template'],
  ['action', 'action_topic', 'action_template'],
  ['fan_mode', 'fan_mode_state_topic', 'fan_mode_state_template'],
  ['position', 'position_topic', 'position_template'],
  ['tilt', 'tilt_status_topic', 'tilt_status_template'],
  ['brightness', 'brightness_state_topic', 'brightness_value_template'],
  ['percentage', 'percentage_state_topic', 'percentage_value_template'],
];
/** Of those keys that are read here. */
const ABBREVIATIONS = new Map(
  Object.entries({
    act_t: 'action_topic',
    act_tpl: 'action_template',
    avty: 'availability',
    avty_mode: 'availability_mode',
    avty_t: 'availability_topic',
    avty_tpl: 'availability_template',
    bri_stat_t: 'brightness_state_topic',
    bri_val_tpl: 'brightness_value_template',
    cmps: 'components',
    cns: 'connections',
    curr_hum_t: 'current_humidity_topic',
    curr_hum_tpl: 'current_humidity_template',
    curr_temp_t: 'current_temperature_topic',
    curr_temp_tpl: 'current_temperature_template',
    dev: 'device',
    fan_mode_stat_t: 'fan_mode_state_topic',
    fan_mode_stat_tpl: 'fan_mode_state_template',
    hum_stat_t: 'target_humidity_state_topic',
    hum_state_tpl: 'target_humidity_state_template',
    ids: 'identifiers',
    mode_stat_t: 'mode_state_topic',
    mode_stat_tpl: 'mode_state_template',
    p: 'platform',
    pct_stat_t: 'percentage_state_topic',
    pct_val_tpl: 'percentage_value_template',
    pl_avail: 'payload_available',
    pl_not_avail: 'payload_not_available',
    pl_off: 'payload_off',
    pl_on: 'payload_on',
    pos_t: 'position_topic',
    pos_tpl: 'position_template',
    stat_off: 'state_off',
    stat_on: 'state_on',
    stat_t: 'state_topic',
    stat_val_tpl: 'state_value_template',
    t: 'topic',
    temp_hi_stat_t: 'temperature_high_state_topic',
    temp_hi_stat_tpl: 'temperature_high_state_template',
    temp_lo_stat_t: 'temperature_low_state_topic',
    temp_lo_stat_tpl: 'temperature_low_state_template',
    temp_stat_t: 'temperature_state_topic',
    temp_stat_tpl: 'temperature_state_template',
    temp_unit: 'temperature_unit',
    tilt_status_t: 'tilt_status_topic',
    tilt_status_tpl: 'tilt_status_template',
    unit_of_meas: 'unit_of_measurement',
    val_tpl: 'value_template',
  }),
);
const NAMELESS_PATHS = new Set(['value', 'state', 'val', 'data', 'payload']);

/** @param topic of the config message: what is before its component, and the levels from there on */
export function readDiscovery(document: JsonObject, topic: { prefix: string; levels: readonly string[] }): Discovered | Refusal {
  const { levels } = topic;
  const { components, ...shared } = unabbreviated(document);
  const name = isObject(shared.device) ? textOf(shared.device.name) : null;
  const entities = new Map<string, Entity[]>();
  if (!isObject(components)) {
    addEntities(shared, { ...topic, component: levels[0] ?? '', object: levels.at(-2) ?? '' }, entities);
    return { name, entities };
  }
  const named = Object.entries(components);
  if (named.length > COMPONENTS_MAX)
    return new Refusal('too-many-values', `${named.length} components in one discovery message; at most ${COMPONENTS_MAX}`);
  for (const [object, own] of named) {
    if (!isObject(own)) continue;
    const config = { ...shared, ...unabbreviated(own) };
    // With its platform alone, a component is taken back.
    if (Object.keys(own).length > 1) addEntities(config, { ...topic, component: textOf(config.platform) ?? '', object }, entities);
  }
  return { name, entities };
}

/** With the keys in full; null is as if it were not there. Its own and no inherited ones, whatever they are called. */
function unabbreviated(config: JsonObject): JsonObject {
  const full: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(config)) if (value !== null) full[ABBREVIATIONS.get(key) ?? key] = value;
  return full;
}

interface Origin {
  readonly prefix: string;
  readonly levels: readonly string[];
  readonly component: string;
  readonly object: string;
}

function addEntities(config: JsonObject, from: Origin, entities: Map<string, Entity[]>): void {
  const base = textOf(config['~']) ?? '';
  const state = topicOf(config.state_topic, base);
  const device = deviceOf(config.device, { ...from, state });
  const add = (topic: string | null, entity: Omit<Entity, 'device'>): void => {
    if (topic === null) return;
    const others = entities.get(topic) ?? [];
    if (others.every(({ metric, device: other }) => metric !== entity.metric || other !== device))
      entities.set(topic, [...others, { device, ...entity }]);
  };
  for (const { topic, entity } of availabilitiesOf(config)) add(topicOf(topic, base), entity);
  const name = textOf(config.name) ?? from.object;
  for (const entity of stateEntities(config, from.component, name)) add(state, entity);
  const degrees = config.temperature_unit === 'C' ? '°C' : config.temperature_unit === 'F' ? '°F' : null;
  for (const [kind, topicKey, templateKey] of FURTHER) {
    const template = readTemplate(textOf(config[templateKey]));
    const unit = kind.includes('temperature') ? degrees : kind.includes('humidity') ? '%' : null;
    const metric = metricOf(template, `${name} ${kind}`);
    add(topicOf(config[topicKey], base), { metric, template, unit: template.isExact ? unit : null, words: null });
  }
}

function stateEntities(config: JsonObject, component: string, name: string): readonly Omit<Entity, 'device'>[] {
  if (component === 'light' && config.schema === 'json')
    return [
      { metric: 'state', template: readTemplate('{{ value_json.state }}'), unit: null, words: ['ON', 'OFF'] },
      { metric: 'brightness', template: readTemplate('{{ value_json.brightness }}'), unit: null, words: null },
    ];
  const on = config.state_on ?? config.payload_on ?? 'ON';
  const off = config.state_off ?? config.payload_off ?? 'OFF';
  const template = readTemplate(textOf(config.value_template ?? config.state_value_template));
  const unit = template.isExact ? textOf(config.unit_of_measurement) : null;
  return [{ metric: metricOf(template, name), template, unit, words: ON_OFF.has(component) ? [String(on), String(off)] : null }];
}

const metricOf = ({ path }: ValueTemplate, name: string): string => (path === null || NAMELESS_PATHS.has(path) ? name : path);

/**
 * Where all of several topics must say so, the last is the device's own and those before it are its bridge's: a bridge that is back says
 * nothing of the device.
 */
function availabilitiesOf(config: JsonObject): readonly { readonly topic: unknown; readonly entity: Omit<Entity, 'device'> }[] {
  const { availability: list, availability_topic: topic, availability_template: value_template, availability_mode: mode } = config;
  const sources = (Array.isArray(list) ? list : [list]).filter(isObject).map(unabbreviated);
  if (topic !== undefined) sources.push({ ...config, topic, value_template });
  return (mode === 'all' || mode === 'any' ? sources.slice(-1) : sources).slice(0, COMPONENTS_MAX).map((source) => ({
    topic: source.topic,
    entity: {
      metric: AVAILABILITY,
      template: readTemplate(textOf(source.value_template)),
      unit: null,
      words: [String(source.payload_available ?? 'online'), String(source.payload_not_available ?? 'offline')],
    },
  }));
}

function deviceOf(about: unknown, { prefix, levels, state }: Pick<Origin, 'prefix' | 'levels'> & { state: string | null }): string {
  if (isObject(about)) {
    const { identifiers, connections } = unabbreviated(about);
    const identifier = firstOf(identifiers);
    if (typeof identifier === 'string' || typeof identifier === 'number') return String(identifier);
    // [["mac", "…"]]
    const connection = firstOf(connections);
    const address: unknown = Array.isArray(connection) ? connection[1] : undefined;
    if (typeof address === 'string' && address !== '') return address;
  }
  // <component>/[<node>/]<object>/config
  if (levels.length < 4 && state?.startsWith(`${prefix}/`)) {
    const [, object, ...rest] = state.slice(prefix.length + 1).split('/');
    if (object !== undefined && rest.length === 1) return object;
  }
  return levels[1] ?? '';
}

const firstOf = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value);

/** `~/state` → with the base in place of the `~`. */
function topicOf(value: unknown, base: string): string | null {
  const topic = textOf(value);
  if (topic === null) return null;
  return topic.startsWith('~') ? base + topic.slice(1) : topic.endsWith('~') ? topic.slice(0, -1) + base : topic;
}
