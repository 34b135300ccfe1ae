/**
 * A list of alerts that stays readable however long it is: what fires first and the worst of it at the top, one entry each; beyond
 * about fifty, or where a mail program would cut the mail off, the rest is counted by rule.
 */
import { type Alert, LEVELS, levelRank } from '../../domain/alert.ts';
import { type Content, type Item, isFiring } from '../content.ts';
import {
  countText,
  escapeHtml,
  type FactsOf,
  nameOf,
  oneLine,
  RULE_LENGTH_MAX,
  spanText,
  timeText,
  valueText,
  whereOf,
} from './mail-text.ts';
import type { Tone } from './story.ts';
import { isSilent } from './story-one.ts';

const LINES_MAX = 50;
/** In a storm one alert is like the other: what counts is how many of what. */
const STORM_LINES_MAX = 15;
export const OVERVIEW = 'By rule:';
/** Gmail shows no more than 102 KB of a mail. */
const LINES_BYTES_MAX = 60_000;
const LINE_MARKUP_BYTES = 650;
const RULES_MAX = 30;
const SUMMARY_LENGTH_MAX = 200;
const VALUE_SHOWN_MAX = 40;

export interface Line {
  readonly alert: string;
  readonly tone: Tone;
  readonly level: string;
  readonly name: string;
  readonly when: string;
  readonly value: string | null;
  readonly summary: string;
}

export interface Lines {
  /** Of a storm, all that is known of it: one line a rule. */
  readonly overview: readonly string[];
  readonly lines: readonly Line[];
  /** What of the rest: one line a rule. */
  readonly rest: readonly string[];
  /** Alerts that nothing but their number is known of. */
  readonly more: number;
}

/** @param urlOf of the page of an alert, for what it takes of a mail's room */
export function linesOf(content: Content, factsOf: FactsOf, urlOf: (alert: string) => string | null): Lines {
  const items = [...content.items].sort(byWeight);
  const isStorm = content.cause.kind === 'storm';
  const naming = namingOf(content);
  const lines: Line[] = [];
  let bytes = 0;
  for (const item of items.slice(0, isStorm ? STORM_LINES_MAX : LINES_MAX)) {
    const line = lineOf(item, naming, factsOf(item.alert).unit);
    bytes +=
      LINE_MARKUP_BYTES + Buffer.byteLength(escapeHtml(`${line.name}${line.when}${line.value}${line.summary}${urlOf(line.alert) ?? ''}`));
    if (bytes > LINES_BYTES_MAX) break;
    lines.push(line);
  }
  const left = items.slice(lines.length);
  if (isStorm && left.length > 0) return { overview: byRule(items), lines, rest: [], more: content.more + left.length };
  return { overview: [], lines, rest: byRule(left), more: content.more };
}

/** What still fires first, the worst of it at the top; then what is over, by its beginning. */
function byWeight({ alert: a }: Item, { alert: b }: Item): number {
  if (isFiring(a) !== isFiring(b)) return isFiring(a) ? -1 : 1;
  if (isFiring(a) && a.level !== b.level) return levelRank(b.level) - levelRank(a.level);
  return (a.firedAt ?? a.since) - (b.firedAt ?? b.since);
}

/** What the heading says already is not said again in each line. */
function namingOf({ cause }: Content): (alert: Alert) => string {
  const rule = ({ rule }: Alert): string => oneLine(rule, RULE_LENGTH_MAX);
  if (cause.kind === 'backlog')
    return (alert) => (alert.group === undefined && alert.device === cause.device ? rule(alert) : nameOf(alert));
  if (cause.kind !== 'update' && cause.kind !== 'reminder') return nameOf;
  const [isOfRule, isOfDevice] = [Object.hasOwn(cause.group, 'rule'), Object.hasOwn(cause.group, 'device')];
  return isOfRule === isOfDevice ? nameOf : isOfRule ? whereOf : rule;
}

function lineOf(item: Item, naming: (alert: Alert) => string, unit: string | null): Line {
  const { alert } = item;
  const value = valueText(alert.value, unit);
  return {
    alert: alert.id,
    tone: isFiring(alert) ? alert.level : 'resolved',
    level: alert.level,
    name: naming(alert),
    when: [whenText(item), ...marks(item)].join(', '),
    value: value === null ? null : oneLine(value, VALUE_SHOWN_MAX),
    summary: oneLine(alert.summary, SUMMARY_LENGTH_MAX),
  };
}

function whenText({ alert, news }: Item): string {
  const from = alert.firedAt ?? alert.since;
  if (!isFiring(alert)) return spanText(from, alert.resolvedAt ?? from);
  return news === 'firing' || news === 'level' ? `since ${timeText(from)}` : `from ${timeText(from)}, still firing`;
}

function marks(item: Item): string[] {
  const { alert, news, fromLevel } = item;
  const isFlapping = news === 'flapping' || alert.flags.includes('flapping');
  return [
    ...(news === 'level' && fromLevel !== null && isFiring(alert) ? [`was ${fromLevel}`] : []),
    ...(isSilent(item) ? ['no data'] : news === 'no-data' && isFiring(alert) ? ['data again'] : []),
    ...(news === 'calm' ? ['no longer flapping'] : isFlapping ? ['flapping'] : []),
    ...(alert.flags.includes('acknowledged') ? ['acknowledged'] : []),
  ];
}

/** `fridge-warm: 12 critical, 276 warning, 20 over` */
function byRule(items: readonly Item[]): string[] {
  const rules = [...Map.groupBy(items, ({ alert }) => alert.rule)].sort(([, a], [, b]) => b.length - a.length);
  const lines = rules.slice(0, RULES_MAX).map(([rule, ofRule]) => `${oneLine(rule, RULE_LENGTH_MAX)}: ${standing(ofRule)}`);
  const left = rules.slice(RULES_MAX).flatMap(([, ofRule]) => ofRule);
  return left.length === 0 ? lines : [...lines, `${countText(rules.length - RULES_MAX, 'other rule')}: ${standing(left)}`];
}

function standing(items: readonly Item[]): string {
  const levels = LEVELS.toReversed().map((level): [number, string] => [
    items.filter(({ alert }) => isFiring(alert) && alert.level === level).length,
    level,
  ]);
  const over = items.filter(({ alert }) => !isFiring(alert)).length;
  return [...levels, [over, 'over'] as const].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`])).join(', ');
}

export function lineText({ name, level, when, value, summary }: Line): string {
  return `- ${name} (${level}) ${when}${value === null ? '' : `, last value ${value}`}${summary === '' ? '' : `: ${summary}`}`;
}

/** What stands below the lines: plain text. */
export function restTexts({ lines, rest, more }: Lines): {
  readonly heading: string | null;
  readonly lines: readonly string[];
  readonly more: string | null;
} {
  return {
    heading: rest.length === 0 ? null : `Beyond ${lines.length === 1 ? 'this one' : `these ${lines.length}`}, by rule:`,
    lines: rest,
    more: more === 0 ? null : `and ${more} more`,
  };
}
