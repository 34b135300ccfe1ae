/** A profile file (`devices/profiles/*.yaml`) → Profile: what a kind of device sends, and what of it is believed. */
import * as z from 'zod';
import { type CodecChoice, type MetricDefinition, type Profile, SELF } from '../domain/device.ts';
import { TocsinError } from '../std/errors.ts';
import { duration, durationOrOff, problemsOf, refuse, strictObject } from '../std/form.ts';
import { written } from '../std/json-schema.ts';
import { formatDurationMs } from '../std/quantity.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { type ReadScript, readNoScript } from './codecs/script-file.ts';
import { type DecodeChoice, decodeForm } from './decode-choice.ts';
import { parsePath } from './decoders/json.ts';
import { FORMATS } from './formats.ts';
import { nameProblem } from './interning.ts';
import { hasMetricCapture, parseTemplate } from './template.ts';
import { isTimeZone } from './time.ts';

const MAX_FUTURE_MS = 5 * 60_000;
const MAX_PAST_MS = 30 * 86_400_000;
const RETROSPECTIVE_AFTER_MS = 10 * 60_000;
/** Readings that are held take memory, and alarms wait for them. */
const LATENESS_MAX_MS = 3_600_000;
const PROFILE_NAME = /^[A-Za-z0-9][\w.-]{0,99}$/;
const LIMIT_NAME = /^[A-Za-z_]\w*$/;

const name = written(
  z.string().transform((value, context) => {
    if (!PROFILE_NAME.test(value)) return refuse(context, 'expected letters, digits, _ . and -, at most 100, a letter or digit first');
    // InfluxDB's measurement is the profile's name, and `readings` is that of devices without one.
    if (value === 'readings') return refuse(context, 'this name is taken by devices without a profile');
    if (value === SELF) return refuse(context, `${SELF} is what Tocsin says of itself`, 'give this kind of device another name');
    return value;
  }),
  { pattern: PROFILE_NAME.source, not: { enum: ['readings', SELF] } },
);

const path = written(
  z.string().transform((value, context) => {
    if (value === '' || parsePath(value) === null) return refuse(context, 'expected a dotted path of at most 8 parts');
    return value;
  }),
  { minLength: 1 },
);

const topic = z.string().transform((value, context) => {
  const template = parseTemplate(value);
  return typeof template === 'string' ? refuse(context, template) : value;
});

const TOPIC_JSON = { type: 'string', minLength: 1 };
const topics = written(
  z.unknown().transform((value, context): string[] => {
    const list = Array.isArray(value) ? value : [value];
    return list.map((text: unknown, index) => {
      const parsed = topic.safeParse(text);
      if (parsed.success) return parsed.data;
      const message = parsed.error.issues[0]?.code === 'custom' ? (parsed.error.issues[0]?.message ?? '') : 'expected a topic template';
      return refuse(context, message, 'for example sensors/{device}/telemetry', Array.isArray(value) ? [index] : []);
    });
  }),
  { anyOf: [TOPIC_JSON, { type: 'array', items: TOPIC_JSON }], examples: ['sensors/{device}/telemetry', '{site}/{device}/{metric}'] },
);

const range = written(
  z.unknown().transform((value, context): readonly [number, number] => {
    const [min, max]: unknown[] = Array.isArray(value) && value.length === 2 ? value : [];
    if (!Number.isFinite(min) || !Number.isFinite(max)) return refuse(context, 'expected two numbers', 'for example [-40, 60]');
    const [low, high] = [Number(min), Number(max)];
    return low <= high ? [low, high] : refuse(context, 'the smaller number comes first');
  }),
  { type: 'array', items: { type: 'number' }, minItems: 2, maxItems: 2, examples: [[-40, 60]] },
);

const metric = strictObject({
  path: path.optional().describe('Dotted path in the payload; for a scalar, the topic’s {metric}. Left out, the metric’s name.'),
  unit: z
    .string()
    .optional()
    .describe('For people.')
    .meta({ examples: ['°C', '%', 'hPa'] }),
  type: z
    .enum(['number', 'boolean', 'text'])
    .default('number')
    .describe('What the value is; `on`, `1` and their opposites are booleans, too.'),
  range: range
    .optional()
    .describe('Smallest and largest value that is believed, after scale and offset. What lies outside is quarantined.'),
  absent: z
    .array(z.union([z.number(), z.boolean(), z.string()], 'expected a number, true/false or text'))
    .default([])
    .describe('Values that mean “no reading”.')
    .meta({ examples: [[85, -127]] }),
  scale: z.number().default(1).describe('value = raw × scale + offset.'),
  offset: z.number().default(0).describe('value = raw × scale + offset.'),
  decimal: z
    .enum(['point', 'comma'])
    .default('point')
    .describe('How numbers that come as text are written: 21.5, or 21,5. Neither has a sign between thousands.'),
});

const limits = written(z.record(z.string(), z.number()), { propertyNames: { pattern: LIMIT_NAME.source } });

/** `devices/profiles/*.yaml`. */
export const profileForm = strictObject({
  profile: name.describe('The name of this kind of device.'),
  topic: topics
    .optional()
    .describe(
      'Topic template, or a list of them: {device} and {metric} stand for one level, any other {name} becomes a label. Left out, only devices that the fleet names have this profile.',
    ),
  decode: decodeForm
    .default({ format: 'json', codec: null, key: 'codec' })
    .describe(
      'The format of the payload: its name; {format, codec} with a codec for the bytes inside; or {module}, a decoder of your own.',
    ),
  compression: z.enum(['gzip']).optional().describe('How the payload is compressed. Left out, it is not.'),
  device: path
    .optional()
    .describe('Path of the device’s id in the payload, with `decode: json`. The topic needs no {device} then.')
    .meta({ examples: ['device_id'] }),
  time: path
    .optional()
    .describe('Path of the device’s own time: a number (s, ms, µs or ns, by its size) or text. Left out, the time of receipt counts.'),
  timezone: z
    .string()
    .refine(isTimeZone, { error: 'no IANA time zone', params: { hint: 'for example Europe/Berlin' } })
    .optional()
    .describe('IANA time zone of times without one.')
    .meta({ examples: ['Europe/Berlin', 'UTC'] }),
  clock: z
    .enum(['device', 'server'])
    .optional()
    .describe('Whose time counts; server ignores `time`. Left out: device, where there is a time.'),
  maxFuture: durationOrOff().default(MAX_FUTURE_MS).describe('How far the device’s time may lie ahead of the time of receipt.'),
  maxPast: durationOrOff().default(MAX_PAST_MS).describe('How far the device’s time may lie behind the time of receipt.'),
  clockSkew: z
    .enum(['keep', 'quarantine'])
    .default('keep')
    .describe('What becomes of a reading beyond that: kept with the time of receipt and marked, or quarantined.'),
  interval: duration({ minMs: 1 }).optional().describe('How often the device reports.'),
  maxGap: duration({ minMs: 1 })
    .optional()
    .describe('How old a value may be and still count for a rule. Left out, it follows from the interval.'),
  lateness: duration({ maxMs: LATENESS_MAX_MS })
    .default(0)
    .describe(
      `How long readings are held to put them in the order of their time, at most ${formatDurationMs(LATENESS_MAX_MS)}. Alerts wait as long.`,
    ),
  retrospectiveAfter: durationOrOff()
    .default(RETROSPECTIVE_AFTER_MS)
    .describe('From which age on what a reading changes is old news: told in one summary a device, not one by one.'),
  metrics: z
    .record(z.string(), metric.nullable())
    .nullable()
    .default({})
    .describe('What is known of values, by name. Other values are kept as without a profile.'),
  limits: limits
    .nullable()
    .default({})
    .describe('Numbers that rules use as limits.NAME; groups and devices of the fleet may change them.')
    .meta({
      examples: [{ temperature_max: 8 }],
    }),
});

export interface ParsedProfile {
  readonly profile: Profile;
  readonly file: YamlFile;
}

/** @returns no profile when there is any problem */
export function parseProfile(
  source: { path: string; text: string },
  readScript: ReadScript = readNoScript,
): { parsed: ParsedProfile | null; problems: TocsinError[] } {
  const { file, problems } = parseYaml(source);
  if (file === null) return { parsed: null, problems };
  const checked = profileForm.safeParse(file.value ?? {});
  if (!checked.success) return { parsed: null, problems: problemsOf(checked.error, file.value, file.place) };
  const codec = codecOf(checked.data.decode, { file, readScript });
  if (codec instanceof TocsinError) return { parsed: null, problems: [codec] };
  const profile = profileOf(checked.data, codec);
  const contradictions = contradictionsOf(profile, file);
  return contradictions.length > 0 ? { parsed: null, problems: contradictions } : { parsed: { profile, file }, problems: [] };
}

function codecOf(
  { codec, key }: DecodeChoice,
  { file, readScript }: { file: YamlFile; readScript: ReadScript },
): CodecChoice | null | TocsinError {
  if (codec === null || codec.kind === 'built-in') return codec;
  const script = readScript(codec.path);
  if ('source' in script) return { kind: 'script', ...script };
  return new TocsinError(script.message, { place: file.place(['decode', key]), hint: script.hint });
}

function profileOf(data: z.output<typeof profileForm>, codec: CodecChoice | null): Profile {
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
      decimal: fields.decimal,
    };
  });
  return {
    name: data.profile,
    topics: data.topic ?? [],
    decode: data.decode.format,
    codec,
    compression: data.compression ?? null,
    device: data.device ?? null,
    time: data.time ?? null,
    timezone: data.timezone ?? null,
    clock: data.clock ?? (data.time !== undefined || bearsTime(data.decode.format) ? 'device' : 'server'),
    maxFutureMs: data.maxFuture,
    maxPastMs: data.maxPast,
    clockSkew: data.clockSkew,
    intervalMs: data.interval ?? null,
    maxGapMs: data.maxGap ?? null,
    latenessMs: data.lateness,
    retrospectiveAfterMs: data.retrospectiveAfter,
    metrics,
    limits: data.limits ?? {},
  };
}

const bearsTime = (decode: string): boolean => FORMATS.some((format) => format.name === decode && format.bearsTime);

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
    if (!LIMIT_NAME.test(limit)) problem(['limits', limit], `${limit} is no name for a limit`, 'letters, digits and _', 'key');
  }
  if (profile.clock === 'device' && profile.time === null && !bearsTime(profile.decode))
    problem(['clock'], 'clock: device needs a time', 'add `time:`, the path of the device time');
  if (profile.device !== null && profile.decode !== 'json')
    problem(['device'], `${profile.decode} has its own way to name a device`, 'leave it out: it goes with decode: json');
  const namesDevices = profile.device !== null || FORMATS.some((format) => format.name === profile.decode && format.namesDevices);
  for (const [index, text] of profile.topics.entries()) {
    const template = parseTemplate(text);
    if (typeof template === 'string' || template.namesDevice || namesDevices) continue;
    const at = Array.isArray(fieldOf(file.value, 'topic')) ? ['topic', index] : ['topic'];
    problem(
      at,
      'topic: it has no {device}: which level names the device?',
      profile.decode === 'json'
        ? 'or `device:`, the path of its id in the payload?'
        : `${profile.decode} does not name its devices in the message`,
    );
  }
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
