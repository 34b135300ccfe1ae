/** A profile file (`devices/profiles/*.yaml`) → Profile: what a kind of device sends, and what of it is believed. */
import * as z from 'zod';
import type { MetricDefinition, Profile } from '../domain/device.ts';
import { TocsinError } from '../std/errors.ts';
import { duration, durationOrOff, problemsOf, refuse, strictObject } from '../std/form.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { parsePath } from './decoders/json.ts';
import { nameProblem } from './interning.ts';
import { hasMetricCapture, parseTemplate } from './template.ts';
import { isTimeZone } from './time.ts';

const MAX_FUTURE_MS = 5 * 60_000;
const MAX_PAST_MS = 30 * 86_400_000;

/** Promised formats that are not built yet. */
const LATER_FORMATS = [
  'tasmota',
  'zigbee2mqtt',
  'shelly',
  'esphome',
  'homeassistant',
  'ttn',
  'chirpstack',
  'influx',
  'senml',
  'sparkplug-b',
  'homie',
  'rtl_433',
  'theengs',
  'ruuvi',
  'owntracks',
  'thingsboard',
];

const name = z.string().transform((value, context) => {
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(value))
    return refuse(context, 'expected letters, digits, _ . and -, at most 100, a letter or digit first');
  // InfluxDB's measurement is the profile's name, and `readings` is that of devices without one.
  if (value === 'readings') return refuse(context, 'this name is taken by devices without a profile');
  return value;
});

const path = z.string().transform((value, context) => {
  if (value === '' || parsePath(value) === null) return refuse(context, 'expected a dotted path of at most 8 parts');
  return value;
});

const topic = z.string().transform((value, context) => {
  const template = parseTemplate(value);
  return typeof template === 'string' ? refuse(context, template) : value;
});

const topics = z.unknown().transform((value, context): string[] => {
  const list = Array.isArray(value) ? value : [value];
  return list.map((text: unknown, index) => {
    const parsed = topic.safeParse(text);
    if (parsed.success) return parsed.data;
    const message = parsed.error.issues[0]?.code === 'custom' ? (parsed.error.issues[0]?.message ?? '') : 'expected a topic template';
    return refuse(context, message, 'for example sensors/{device}/telemetry', Array.isArray(value) ? [index] : []);
  });
});

const decode = z.unknown().transform((value, context): string => {
  if (value === 'json' || value === 'scalar') return value;
  const isLater = typeof value === 'object' || (typeof value === 'string' && LATER_FORMATS.includes(value));
  return refuse(context, isLater ? 'not supported yet' : 'no such format', 'json and scalar are built in');
});

const later = (what: string) =>
  z.unknown().transform((value, context): undefined => (value === undefined ? undefined : refuse(context, 'not supported yet', what)));

const range = z.unknown().transform((value, context): readonly [number, number] => {
  const [min, max]: unknown[] = Array.isArray(value) && value.length === 2 ? value : [];
  if (!Number.isFinite(min) || !Number.isFinite(max)) return refuse(context, 'expected two numbers', 'for example [-40, 60]');
  const [low, high] = [Number(min), Number(max)];
  return low <= high ? [low, high] : refuse(context, 'the smaller number comes first');
});

const metric = strictObject({
  path: path.optional(),
  unit: z.string().optional(),
  type: z.enum(['number', 'boolean', 'text']).default('number'),
  range: range.optional(),
  absent: z.array(z.union([z.number(), z.boolean(), z.string()], 'expected a number, true/false or text')).default([]),
  scale: z.number().default(1),
  offset: z.number().default(0),
});

const form = strictObject({
  profile: name,
  topic: topics.optional(),
  decode: decode.default('json'),
  time: path.optional(),
  timezone: z
    .string()
    .refine(isTimeZone, { error: 'no IANA time zone', params: { hint: 'for example Europe/Berlin' } })
    .optional(),
  clock: z.enum(['device', 'server']).optional(),
  maxFuture: durationOrOff().default(MAX_FUTURE_MS),
  maxPast: durationOrOff().default(MAX_PAST_MS),
  clockSkew: z.enum(['keep', 'quarantine']).default('keep'),
  interval: duration().optional(),
  maxGap: duration().optional(),
  retrospectiveAfter: z
    .unknown()
    .transform((value, context): undefined =>
      value === 'off' || value === false || value === undefined
        ? undefined
        : refuse(context, 'only off is supported yet', 'leave it out, or write off'),
    )
    .optional(),
  lateness: later('readings are evaluated as they come').optional(),
  metrics: z.record(z.string(), metric.nullable()).nullable().default({}),
  limits: z.record(z.string(), z.number()).nullable().default({}),
});

export interface ParsedProfile {
  readonly profile: Profile;
  readonly file: YamlFile;
}

/** @returns no profile when there is any problem */
export function parseProfile(source: { path: string; text: string }): { parsed: ParsedProfile | null; problems: TocsinError[] } {
  const { file, problems } = parseYaml(source);
  if (file === null) return { parsed: null, problems };
  const checked = form.safeParse(file.value ?? {});
  if (!checked.success) return { parsed: null, problems: problemsOf(checked.error, file.value, file.place) };
  const profile = profileOf(checked.data);
  const contradictions = contradictionsOf(profile, file);
  return contradictions.length > 0 ? { parsed: null, problems: contradictions } : { parsed: { profile, file }, problems: [] };
}

function profileOf(data: z.output<typeof form>): Profile {
  const metrics = Object.entries(data.metrics ?? {}).map(([metricName, given]): MetricDefinition => {
    const fields = given ?? metric.parse({});
    return {
      name: metricName,
      path: fields.path ?? metricName,
      type: fields.type,
      unit: fields.unit ?? null,
      range: fields.range ?? null,
      absent: fields.absent,
      scale: fields.scale,
      offset: fields.offset,
    };
  });
  return {
    name: data.profile,
    topics: data.topic ?? [],
    decode: data.decode,
    time: data.time ?? null,
    timezone: data.timezone ?? null,
    clock: data.clock ?? (data.time === undefined ? 'server' : 'device'),
    maxFutureMs: data.maxFuture,
    maxPastMs: data.maxPast,
    clockSkew: data.clockSkew,
    intervalMs: data.interval ?? null,
    maxGapMs: data.maxGap ?? null,
    latenessMs: 0,
    retrospectiveAfterMs: null,
    metrics,
    limits: data.limits ?? {},
  };
}

/** What each key allows, but not all of them together. */
function contradictionsOf(profile: Profile, file: YamlFile): TocsinError[] {
  const problems: TocsinError[] = [];
  const problem = (at: PropertyKey[], message: string, hint: string, part: 'key' | 'value' = 'value') =>
    problems.push(new TocsinError(message, { place: file.place(at, part), hint }));
  for (const definition of profile.metrics) {
    const invalid = definition.name === '__proto__' ? 'a metric cannot be called __proto__' : nameProblem(definition.name);
    if (invalid !== null) problem(['metrics', definition.name], invalid, 'give it another name, and its path by `path:`', 'key');
    const isScaled = definition.scale !== 1 || definition.offset !== 0 || definition.range !== null;
    if (definition.type !== 'number' && isScaled) {
      problem(['metrics', definition.name], `range, scale and offset need numbers, and this is ${definition.type}`, 'leave them out');
    }
  }
  for (const limit of Object.keys(profile.limits)) {
    if (!/^[A-Za-z_]\w*$/.test(limit)) problem(['limits', limit], `${limit} is no name for a limit`, 'letters, digits and _', 'key');
  }
  if (profile.clock === 'device' && profile.time === null)
    problem(['clock'], 'clock: device needs a time', 'add `time:`, the path of the device time');
  if (profile.decode === 'scalar') {
    if (profile.time !== null) problem(['time'], 'a scalar holds no time', 'leave it out: the time of receipt counts');
    for (const [index, text] of profile.topics.entries()) {
      const template = parseTemplate(text);
      if (typeof template === 'string' || hasMetricCapture(template) || profile.metrics.length === 1) continue;
      const at = Array.isArray(fieldOf(file.value, 'topic')) ? ['topic', index] : ['topic'];
      problem(at, 'nothing names the metric of this scalar', 'write {metric} into the topic, or give the profile exactly one metric');
    }
  }
  return problems;
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
