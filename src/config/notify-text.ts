/** Parts of notify.yaml in words, close to how they stand in the file. Never a channel: addresses and secrets stay out. */
import { LEVELS } from '../domain/alert.ts';
import type { OnCall, Schedule, ScheduleWindow } from '../domain/notification.ts';
import type { AlertMatch } from '../domain/operation.ts';
import type { Escalation, Grouping, Inhibition, NotifyConfig } from '../notify/notify-config.ts';
import { writtenDuration } from '../std/quantity.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

const oneOrList = (texts: readonly string[]): string => (texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`);
const namesOr = (names: readonly string[], none: string): string => (names.length === 0 ? none : names.join(', '));

/** `{level: critical, rule: fridge-*, labels.team: [a, b]}` */
export function matchText({ levels, rules, devices, alerts, labels }: AlertMatch): string {
  const given: [string, readonly string[] | null][] = [
    ['level', levels],
    ['rule', rules],
    ['device', devices],
    ['alert', alerts],
    ...Object.entries(labels).map(([name, values]): [string, readonly string[]] => [
      `labels.${name}`,
      values.map((value) => (value === '' ? '""' : value)),
    ]),
  ];
  return `{${given.flatMap(([key, texts]) => (texts === null ? [] : [`${key}: ${oneOrList(texts)}`])).join(', ')}}`;
}

export const toText = (to: readonly string[]): string => namesOr(to, 'nobody');

/** Each key of a route as it could stand in the file. */
export function groupingTexts(grouping: Grouping): Record<string, string> {
  const { critical, ...others } = grouping.groupWaitMs;
  const isOne = Object.values(others).every((waitMs) => waitMs === critical);
  const waits = [...LEVELS].reverse().map((level) => `${level}: ${writtenDuration(grouping.groupWaitMs[level])}`);
  return {
    groupBy: `[${grouping.groupBy.join(', ')}]`,
    groupWait: isOne ? writtenDuration(critical) : `{${waits.join(', ')}}`,
    groupInterval: writtenDuration(grouping.groupIntervalMs),
    repeatInterval: writtenDuration(grouping.repeatIntervalMs),
    sendResolved: String(grouping.sendResolved),
    active: grouping.active ?? 'always',
    muted: grouping.muted ?? 'never',
  };
}

/** `Europe/Berlin: mon-fri 22:00-06:00; sat-sun 00:00-24:00` */
export const scheduleText = ({ zone, windows }: Schedule): string => `${zone}: ${windows.map(windowText).join('; ')}`;

const windowText = ({ days, fromMinute, toMinute }: ScheduleWindow): string =>
  `${daysText(days)} ${timeText(fromMinute)}-${timeText(toMinute)}`;

export const timeText = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

function daysText(days: readonly number[]): string {
  if (days.length === DAYS.length) return 'daily';
  const names = days.map((day) => DAYS[day - 1] ?? '');
  const isRow = days.length > 1 && days.every((day, index) => day === (days[0] ?? 0) + index);
  return isRow ? `${names[0]}-${names.at(-1)}` : names.join(', ');
}

export function onCallText(onCall: OnCall): string {
  if (onCall.kind === 'rotation') {
    const { zone, start, handoverMinute, everyDays, of } = onCall;
    return `${of.join(', ')} in turn, every ${everyDays}d from ${start} ${timeText(handoverMinute)} ${zone}`;
  }
  return onCall.entries.map(({ schedule, to }) => `${schedule ?? 'always'}: ${to}`).join('; ');
}

export const inhibitionText = ({ source, target, equal }: Inhibition): string =>
  `${matchText(source)} mutes ${matchText(target)}${equal.length === 0 ? '' : ` of equal ${equal.join(', ')}`}`;

export function escalationText({ match, steps, loop }: Escalation): string {
  const texts = steps.map(({ afterMs, to }) => `after ${writtenDuration(afterMs)} ${toText(to)}`);
  return `${matchText(match)}: ${texts.join(', ')}${loop ? ', again and again' : ''}`;
}

export const stormText = (storm: NotifyConfig['storm']): string =>
  storm === null ? 'off' : `{after: ${storm.after}, in: ${writtenDuration(storm.inMs)}}`;

export const limitsText = (limits: NotifyConfig['limits']): string => (limits === null ? 'off' : `{perHour: ${limits.perHour}}`);
