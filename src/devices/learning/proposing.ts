/** A kind of devices and what was observed of it → the text of its profile, with what is not certain as comments. */
import { AVAILABILITY } from '../../domain/device.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../../domain/reading.ts';
import { writtenDuration } from '../../std/quantity.ts';
import { parsePath } from '../decoders/json.ts';
import { nameProblem } from '../interning.ts';
import type { Kind } from './kinds.ts';
import { unitByName } from './metric-words.ts';
import { median, type Observed, type SeenMetric } from './observing.ts';
import type { TimeField } from './time-field.ts';

/** A kind before anything of it was observed: enough of a profile to decode by. */
export interface Draft {
  readonly name: string;
  readonly kind: Kind;
  readonly time: TimeField | null;
}

const METRICS_MAX = 100;
const DEVICES_SHOWN_MAX = 5;
const COMMENT_LENGTH_MAX = 160;
/** Intervals that people set, in s; what is within a tenth of one is meant to be it. */
const USUAL_S = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/** @param type of the one metric of a value whose topic names none */
export function draftText({ name, kind, time }: Draft, type: 'number' | 'boolean' | 'text'): string {
  const metric = kind.metric === null ? [] : ['metrics:', `  ${key(kind.metric)}: {type: ${type}}`];
  return `${[...headOf({ name, kind, time }), ...metric].join('\n')}\n`;
}

export function profileText(draft: Draft, observed: Observed): string {
  const { kind } = draft;
  const { devices, metrics } = observed;
  const shown = [...devices].slice(0, DEVICES_SHOWN_MAX).join(', ');
  const more = devices.size > DEVICES_SHOWN_MAX ? `, and ${devices.size - DEVICES_SHOWN_MAX} more` : '';
  const told = [...metrics.values()].filter((metric) => !isBeside(metric, metrics));
  const lines = [
    comment(`proposed by tocsin devices learn, from ${kind.heard.length} messages of ${counted(devices.size, 'device')}: ${shown}${more}`),
    ...kind.doubts.map(comment),
    ...headOf(draft),
    intervalLine(observed.intervals),
    ...(told.length === 0 ? [] : ['metrics:']),
    ...told.slice(0, METRICS_MAX).map((metric) => metricLine(metric, { kind, devices: devices.size })),
    ...(told.length > METRICS_MAX ? [comment(`and ${told.length - METRICS_MAX} more, which are kept as they come`)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function headOf({ name, kind, time }: Draft): string[] {
  const [only, ...others] = kind.topics;
  return [
    `profile: ${text(name)}`,
    ...(others.length === 0 ? [`topic: ${text(only ?? '')}`] : ['topic:', ...kind.topics.map((topic) => `  - ${text(topic)}`)]),
    `decode: ${kind.decode}`,
    ...(time === null ? [] : [`time: ${text(time.path)}`]),
    ...(time?.timezone == null ? [] : [`timezone: ${text(time.timezone)}`]),
  ];
}

/** What stands beside a value and says its unit, and what every format tells, needs no line. */
function isBeside({ name }: SeenMetric, metrics: ReadonlyMap<string, SeenMetric>): boolean {
  if (name === AVAILABILITY) return true;
  const stem = name.slice(0, name.lastIndexOf('.') + 1);
  const isUnit = ['unit', 'units', 'uom', 'unit_of_measurement'].includes(name.slice(stem.length));
  return isUnit && [...metrics.values()].some((other) => other.name !== name && other.unit !== null && other.name.startsWith(stem));
}

function intervalLine(intervals: readonly number[]): string {
  if (intervals.length === 0) return comment('interval: nothing came twice; learn for longer (--for) to find it');
  const seconds = median(intervals) / MICROSECONDS_PER_MILLISECOND / 1000;
  const usual = USUAL_S.find((candidate) => Math.abs(candidate - seconds) <= candidate / 10);
  const ms = usual !== undefined ? usual * 1000 : seconds >= 1 ? Math.round(seconds) * 1000 : Math.max(1, Math.round(seconds * 1000));
  return `interval: ${writtenDuration(ms)}  ${comment(`the median of ${counted(intervals.length, 'series')}`)}`;
}

function metricLine(metric: SeenMetric, { kind, devices }: { kind: Kind; devices: number }): string {
  const { name, counts, range, sentinels, texts } = metric;
  const type = typeOf(metric);
  const invalid = name === '__proto__' ? 'no name for a metric' : nameProblem(name);
  if (invalid !== null || parsePath(name) === null)
    return comment(`${name}: ${invalid ?? 'too deep to be described'}; it is kept as it comes`);
  if (type === null) return comment(`${name}: ${whatCame(counts)}, and so of no type; it is kept as it comes`);
  const given = metric.unit;
  const guessed = type === 'number' && given === null ? unitByName(name === 'value' ? (kind.metric ?? name) : name, range) : null;
  const unit = given ?? guessed;
  const fields = [
    ...(unit === null ? [] : [`unit: ${text(unit)}`]),
    ...(type === 'number' ? [] : [`type: ${type}`]),
    ...(sentinels.size === 0 ? [] : [`absent: [${[...sentinels].join(', ')}]`]),
  ];
  const remarks = [
    ...(type === 'number' && range !== null ? [rangeText(range, counts.number)] : []),
    ...(type === 'text' ? [[...texts].map((each) => JSON.stringify(each)).join(', ')] : []),
    ...(guessed === null ? [] : ['unit by its name']),
    ...(sentinels.size === 0 ? [] : [`${[...sentinels].join(' and ')} came, likely for no reading`]),
    ...(metric.devices.size < devices ? [`of ${counted(metric.devices.size, 'device')}`] : []),
  ];
  return `  ${key(name)}: {${fields.join(', ')}}${remarks.length === 0 ? '' : `  ${comment(remarks.join('; '))}`}`;
}

function rangeText({ min, max }: { readonly min: number; readonly max: number }, times: number): string {
  if (min < max) return `${rounded(min)} to ${rounded(max)}`;
  return times === 1 ? `${rounded(min)}, once` : `always ${rounded(min)}`;
}

const SWITCH_WORDS = new Set(['on', 'off', 'true', 'false']);

/** Null: of several. */
export function typeOf({ counts, texts }: Pick<SeenMetric, 'counts' | 'texts'>): 'number' | 'boolean' | 'text' | null {
  const isSwitch = counts.text > 0 && [...texts].every((word) => SWITCH_WORDS.has(word.toLowerCase()));
  if (counts.number > 0) return counts.boolean + counts.text === 0 ? 'number' : null;
  if (counts.boolean > 0) return counts.text === 0 || isSwitch ? 'boolean' : null;
  return isSwitch ? 'boolean' : 'text';
}

const whatCame = (counts: SeenMetric['counts']): string =>
  Object.entries(counts)
    .flatMap(([type, count]) => (count === 0 ? [] : [`${type} ${count} times`]))
    .join(', ');
const counted = (count: number, what: string): string => `${count} ${what}${count === 1 || what === 'series' ? '' : 's'}`;
const rounded = (value: number): string => String(Number(value.toPrecision(6)));

/** On one line, whatever devices have put into it. */
const comment = (sentence: string): string => {
  const line = sentence.replace(/[\p{C}\u2028\u2029]/gu, '�');
  return `# ${line.length > COMMENT_LENGTH_MAX ? `${line.slice(0, COMMENT_LENGTH_MAX)}…` : line}`;
};

/** Words that YAML, or somebody's idea of it, takes for something else than text. */
const YAML_WORDS = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;
const text = (value: string): string =>
  /^[A-Za-z_%°][\w%°/-]*$/.test(value) && !YAML_WORDS.test(value) && !value.startsWith('%') ? value : JSON.stringify(value);
const key = (name: string): string => (/^[A-Za-z_][\w.-]*$/.test(name) && !YAML_WORDS.test(name) ? name : JSON.stringify(name));
