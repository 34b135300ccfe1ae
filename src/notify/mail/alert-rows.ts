/** What is known of one alert, as names and values: plain text, bounded. */
import type { Alert, AlertFlag } from '../../domain/alert.ts';
import { type Item, isFiring } from '../content.ts';
import type { AlertFacts } from './facts.ts';
import {
  durationText,
  LINE_LENGTH_MAX,
  numberText,
  oneLine,
  RULE_LENGTH_MAX,
  timeText,
  VALUE_LENGTH_MAX,
  valueText,
  withUnit,
} from './mail-text.ts';
import { agoText } from './story.ts';
import { isSilent, lastedText } from './story-one.ts';

const LABELS_MAX = 20;
/** `no-data` is what the value says, `retrospective` how the message came about. */
const FLAGS_SHOWN: readonly AlertFlag[] = ['acknowledged', 'silenced', 'inhibited', 'flapping'];

export type Row = readonly [name: string, value: string];

export function rowsOf(item: Item, facts: AlertFacts, at: number | null): Row[] {
  const { alert } = item;
  const value = valueText(alert.value, facts.unit);
  const flags = FLAGS_SHOWN.filter((flag) => alert.flags.includes(flag));
  return [
    ...row(isSilent(item) ? 'Last value' : 'Value', value),
    ...row('Limit', limitsText(facts)),
    ...row('Condition', conditionText(facts)),
    ...timeRows(item, at),
    ...row('Marked', flags.length === 0 ? null : flags.join(', ')),
    ...(alert.group === undefined
      ? row('Device', oneLine(alert.device, LINE_LENGTH_MAX))
      : row('Group', oneLine(alert.group, LINE_LENGTH_MAX))),
    ...row('Rule', oneLine(alert.rule, RULE_LENGTH_MAX)),
    ...row('Labels', labelsText(alert)),
    ...row('Reason', oneLine(item.reason, LINE_LENGTH_MAX)),
  ];
}

const row = (name: string, value: string | null): Row[] => (value === null || value === '' ? [] : [[name, value]]);

function limitsText({ limits, unit }: AlertFacts): string | null {
  if (limits.length === 0) return null;
  return limits
    .map(({ name, value }) => `${oneLine(name, 40)} = ${withUnit(numberText(value), unit)}`)
    .join(', ')
    .slice(0, LINE_LENGTH_MAX);
}

function conditionText({ condition, forMs }: AlertFacts): string | null {
  if (condition === null) return null;
  return `${oneLine(condition, LINE_LENGTH_MAX)}${forMs > 0 ? `, for ${durationText(forMs)}` : ''}`;
}

function timeRows(item: Item, at: number | null): Row[] {
  const { alert } = item;
  if (isFiring(alert)) return row('Since', agoText(alert.since, at));
  const lasted = lastedText(item);
  return [
    ...row('Since', timeText(alert.since)),
    ...(alert.firedAt !== null && alert.firedAt !== alert.since ? row('Fired', timeText(alert.firedAt)) : []),
    ...(alert.resolvedAt === null ? [] : row('Ended', `${timeText(alert.resolvedAt)}${lasted === null ? '' : ` (fired for ${lasted})`}`)),
  ];
}

function labelsText({ labels }: Alert): string | null {
  const all = Object.entries(labels);
  const shown = all.slice(0, LABELS_MAX).map(([name, label]) => `${oneLine(name, 64)}=${oneLine(label, VALUE_LENGTH_MAX)}`);
  return all.length === 0 ? null : `${shown.join(', ')}${all.length > LABELS_MAX ? ', …' : ''}`;
}
