/** One difference between two configurations, as data for scripts and as a line for people. */
import { writtenDuration } from '../std/quantity.ts';

/** `credential` is a device's. */
export const CHANGE_KINDS = [
  'rule',
  'profile',
  'device',
  'group',
  'fleet',
  'contact',
  'route',
  'schedule',
  'inhibition',
  'escalation',
  'notify',
  'credential',
  'user',
  'access',
] as const;

export interface Change {
  readonly kind: (typeof CHANGE_KINDS)[number];
  /** Of the rule, profile, device, group or contact; of anything else what it is about. */
  readonly id: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** Which part of it: `critical.when`, `temperature.unit`, `limits.temperature_max`; null is the whole. */
  readonly part: string | null;
  /** As it stands in the file; null where there is nothing, and where it is not shown. */
  readonly from: string | null;
  readonly to: string | null;
  /** What comes of it. */
  readonly effect: string;
  /** Something that was measured so far starts anew. */
  readonly resets: boolean;
}

export type Thing = Pick<Change, 'kind' | 'id'>;

export const added = (thing: Thing, effect: string, part: string | null = null): Change => whole(thing, 'added', effect, part);
export const removed = (thing: Thing, effect: string, part: string | null = null): Change => whole(thing, 'removed', effect, part);

function whole({ kind, id }: Thing, change: Change['change'], effect: string, part: string | null): Change {
  return { kind, id, change, part, from: null, to: null, effect, resets: false };
}

export interface Part {
  readonly part: string;
  readonly from: unknown;
  readonly to: unknown;
  readonly effect: string;
  readonly resets?: boolean;
}

/** A part of it changed: to another value, or it came or went. */
export function changed({ kind, id }: Thing, { part, from, to, effect, resets = false }: Part): Change {
  return { kind, id, change: 'changed', part, from: written(from), to: written(to), effect, resets };
}

/** `rule fridge-warm: critical.when "temperature > 8" → "temperature > 9": its run and counters start anew` */
export function renderChange({ kind, id, change, part, from, to, effect }: Change): string {
  const subject = id === '' ? kind : `${kind} ${id}`;
  if (change !== 'changed') return `${subject}: ${part === null ? '' : `${part} `}${change}: ${effect}`;
  const values = from === null && to === null ? 'changed' : `${from ?? 'none'} → ${to ?? 'none'}`;
  return `${subject}: ${part === null ? '' : `${part} `}${values}: ${effect}`;
}

/** `a, b, c and 4 more` */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_MAX);
  const more = names.length - shown.length;
  if (more > 0) return `${shown.join(', ')} and ${more} more`;
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}` : (shown[0] ?? '');
}
const LISTED_MAX = 5;

/** A duration in ms as `written` shows it. */
export const duration = (durationMs: number | null): Written => new Written(writtenDuration(durationMs));

/** Text that stands for itself, without quotes. */
export class Written {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function written(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return value instanceof Written ? value.text : JSON.stringify(value);
}
