/** A backtest's outcome as text, and as the data of `--json`. */
import { LEVELS, type Level } from '../domain/alert.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { BacktestResult, FiredAlert, SentMessage, SetResult } from '../replay/backtest.ts';
import type { AlertPair, Difference } from '../replay/difference.ts';
import type { RuleSum } from '../replay/rule-sums.ts';
import type { CsvReport } from '../replay/sources/csv-source.ts';
import { formatDurationMs } from '../std/quantity.ts';
import { formatTime } from '../web/times.ts';
import { columns, printable, valueText } from './print.ts';

export interface Report {
  readonly result: BacktestResult;
  /** With `--against`, of the first set to the second. */
  readonly difference: Difference | null;
  readonly source: string;
  readonly tookMs: number;
  /** How long before the period it began to read; 0: not before it. */
  readonly warmupMs: number;
  /** What is missing in it, and why. */
  readonly remarks: readonly string[];
  /** How many entries of each list are printed. */
  readonly limit: number;
}

export function renderReport(report: Report): string {
  const { result, difference, limit } = report;
  const parts = [headOf(report)];
  if (difference === null) {
    for (const set of result.sets) {
      parts.push(listOf('alerts', set.alertCount, alertRows(set.alerts, limit), limit));
      parts.push(listOf('messages', set.messageCount, messageRows(set.messages, limit), limit));
      if (set.messageCount > 0) parts.push(countsOf(set));
    }
  }
  for (const set of result.sets) parts.push(rulesOf(set, result.sets.length > 1));
  if (difference !== null) parts.push(differenceOf(difference, result.sets, limit));
  return `${parts.join('\n')}`;
}

function headOf({ result, source, tookMs, warmupMs, remarks }: Report): string {
  const names = result.sets.map(({ name }) => name).join(' and ');
  const seconds = Math.max(1, tookMs) / 1000;
  const rate = Math.round(result.readings / seconds);
  const lines = [`backtest of ${names} over ${source}${periodOf(result)}`];
  lines.push(`${counted(result.readings, 'reading')} in ${seconds.toFixed(1)} s, ${rate.toLocaleString('en')} a second`);
  const before = result.sets.map(({ firingBefore }) => firingBefore);
  if (warmupMs > 0) {
    const firing = before.some((count) => count > 0) ? `; not counted: ${before.join(' and ')} that fired before it` : '';
    lines.push(`read from ${formatDurationMs(warmupMs)} before on, to fill windows and to know what was firing${firing}`);
  }
  for (const { name, errors } of result.sets) {
    for (const { rule, count, message } of errors) lines.push(`${name}: ${rule} could not be evaluated ${times(count)}: ${message}`);
  }
  for (const { name, operations } of result.sets) {
    const { taken, leftOut } = operations;
    const rest = leftOut === 0 ? '' : `; ${leftOut} left out, as nothing fires there that they could be about`;
    if (taken + leftOut > 0) lines.push(`${name}: ${counted(taken, 'operation')} of people done again${rest}`);
  }
  lines.push(...remarks);
  return `${lines.map(printable).join('\n')}\n`;
}

function periodOf({ from, to }: BacktestResult): string {
  if (from === null || to === null) return ': nothing in it';
  return `, ${shortTime(from)} to ${shortTime(to)} (${formatDurationMs((to - from) / MICROSECONDS_PER_MILLISECOND)})`;
}

function listOf(title: string, count: number, rows: readonly (readonly string[])[], limit: number): string {
  if (count === 0) return `no ${title}\n`;
  const more = count > limit ? `  … and ${(count - limit).toLocaleString('en')} more: --limit\n` : '';
  return `${title} (${count.toLocaleString('en')})\n${columns(rows, '  ')}${more}`;
}

const ALERT_HEAD = ['FIRED', 'LASTED', 'LEVEL', 'RULE', 'DEVICE', 'VALUE', 'SUMMARY'];

function alertRows(alerts: readonly FiredAlert[], limit: number): string[][] {
  const rows = alerts
    .slice(0, limit)
    .map((alert) => [
      shortTime(alert.firedAt),
      lasted(alert),
      alert.level,
      alert.rule,
      alert.device,
      valueText(alert.value),
      alert.summary,
    ]);
  return [ALERT_HEAD, ...rows];
}

function messageRows(messages: readonly SentMessage[], limit: number): string[][] {
  const rows = messages.slice(0, limit).map(({ at, contact, kind, subject }) => [shortTime(at), contact, kind, subject]);
  return [['AT', 'CONTACT', 'KIND', 'SUBJECT'], ...rows];
}

function countsOf({ messagesByContact, messagesByKind }: SetResult): string {
  const of = (counts: ReadonlyMap<string, number>): string =>
    [...counts]
      .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
      .map(([key, count]) => `${key} ${count.toLocaleString('en')}`)
      .join(', ');
  return `${printable(`messages by contact: ${of(messagesByContact)}`)}\n${printable(`messages by kind: ${of(messagesByKind)}`)}\n`;
}

function rulesOf(set: SetResult, isNamed: boolean): string {
  const used = LEVELS.filter((level) => set.rules.some(({ levels }) => levels[level] > 0));
  const head = [
    'RULE',
    'ALERTS',
    'A WEEK',
    ...used.map((level) => level.toUpperCase()),
    'TOTAL',
    'MEDIAN',
    'LONGEST',
    'STILL',
    'CANCELLED',
  ];
  const rows = set.rules.map((sum) => ruleRow(sum, used));
  const title = isNamed ? `rules of ${printable(set.name)}` : 'rules';
  return `${title}\n${columns([[...head, 'MESSAGES'], ...rows], '  ')}`;
}

function ruleRow(sum: RuleSum, levels: readonly Level[]): string[] {
  const { rule, alerts, perWeek, firingStill, cancelled, durationMs, messages } = sum;
  const durations = [durationMs.total, durationMs.median, durationMs.longest].map((ms) => (alerts === 0 ? '' : formatDurationMs(ms)));
  const counts = levels.map((level) => String(sum.levels[level]));
  return [rule, String(alerts), shortRate(perWeek), ...counts, ...durations, String(firingStill), String(cancelled), String(messages)];
}

function differenceOf(difference: Difference, sets: readonly SetResult[], limit: number): string {
  const [first = '', second = ''] = sets.map(({ name }) => printable(name));
  const { onlyFirst, onlySecond, changed, same, messages, kinds } = difference;
  const total = (set: SetResult | undefined) => (set === undefined ? 0 : set.messageCount);
  const contacts = messages.map(({ contact, first: before, second: after }) => [contact, `${before} → ${after}`]);
  const ofKinds = kinds.map(({ kind, first: before, second: after }) => [kind, `${before} → ${after}`]);
  const isCut = sets.some((set) => set.alerts.length < set.alertCount);
  return [
    `from ${first} to ${second}: ${counted(same, 'alert')} the same${isCut ? ' (of the first that there are room for)' : ''}\n`,
    listOf(`alerts only with ${first}`, onlyFirst.length, alertRows(onlyFirst, limit), limit),
    listOf(`alerts only with ${second}`, onlySecond.length, alertRows(onlySecond, limit), limit),
    listOf('alerts of both that differ', changed.length, changedRows(changed, limit), limit),
    `messages: ${total(sets[0])} → ${total(sets[1])}\n${columns(contacts, '  ')}\nby kind\n${columns(ofKinds, '  ')}`,
  ].join('\n');
}

function changedRows(changed: readonly AlertPair[], limit: number): string[][] {
  const rows = changed.slice(0, limit).map(({ first, second }) => {
    const laterMs = (second.firedAt - first.firedAt) / MICROSECONDS_PER_MILLISECOND;
    const when = laterMs === 0 ? '' : `${formatDurationMs(Math.abs(laterMs))} ${laterMs > 0 ? 'later' : 'earlier'}`;
    const level = first.level === second.level ? first.level : `${first.level} → ${second.level}`;
    const length = lasted(first) === lasted(second) ? lasted(first) : `${lasted(first)} → ${lasted(second)}`;
    return [shortTime(first.firedAt), first.rule, first.device, when, length, level];
  });
  return [['FIRED', 'RULE', 'DEVICE', 'FIRES', 'LASTED', 'LEVEL'], ...rows];
}

/** Plain data; times are µs. */
export function reportData({ result, difference, source, tookMs, warmupMs, remarks }: Report, csv: CsvReport | null): unknown {
  const sets = result.sets.map((set) => ({
    ...set,
    messagesByContact: Object.fromEntries(set.messagesByContact),
    messagesByKind: Object.fromEntries(set.messagesByKind),
  }));
  return {
    source,
    from: result.from,
    to: result.to,
    warmupMs,
    readings: result.readings,
    tookMs: Math.round(tookMs),
    remarks,
    csv: csv === null ? null : { rows: csv.rows, refused: csv.refused, late: csv.late, problems: csv.shown },
    rules: sets[0] ?? null,
    against: sets[1] ?? null,
    difference: difference === null ? null : dataOf(difference),
  };
}

function dataOf({ onlyFirst, onlySecond, changed, same, messages, kinds }: Difference): unknown {
  return {
    onlyRules: onlyFirst,
    onlyAgainst: onlySecond,
    changed: changed.map(({ first, second }) => ({ rules: first, against: second })),
    same,
    messages: messages.map(({ contact, first, second }) => ({ contact, rules: first, against: second })),
    kinds: kinds.map(({ kind, first, second }) => ({ kind, rules: first, against: second })),
  };
}

const lasted = ({ durationMs, endedAt }: FiredAlert): string => `${formatDurationMs(durationMs)}${endedAt === null ? ' so far' : ''}`;
const shortTime = (time: number): string => `${formatTime(time).slice(0, 19)}Z`;
const shortRate = (rate: number): string => (rate >= 100 ? Math.round(rate).toLocaleString('en') : String(Number(rate.toPrecision(2))));
const counted = (count: number, word: string): string => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
const times = (count: number): string => (count === 1 ? 'once' : `${count.toLocaleString('en')} times`);
