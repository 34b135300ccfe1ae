/** Schedules and who is on call, by arithmetic in UTC: the oracle's own. */
import type { Contact, OnCall, Schedule } from '../../../src/domain/notification.ts';
import type { NotifyConfig } from '../../../src/notify/notify-config.ts';

const MINUTE_US = 60_000_000;
const DAY_US = 1440 * MINUTE_US;
/** 1970 began on a Thursday; 1 is Monday. */
const weekday = (day: number): number => ((day + 3) % 7) + 1;

export function holds(config: NotifyConfig, id: string, at: number): boolean {
  const schedule = config.schedules.find((each) => each.id === id);
  if (schedule === undefined) return false;
  const today = Math.floor(at / DAY_US);
  return [today, today - 1].some((day) => spansOf(schedule, day).some(({ from, to }) => from <= at && at < to));
}

function spansOf(schedule: Schedule, day: number): { from: number; to: number }[] {
  return schedule.windows
    .filter(({ days }) => days.includes(weekday(day)))
    .map(({ fromMinute, toMinute }) => {
      const endMinute = toMinute <= fromMinute ? toMinute + 1440 : toMinute;
      return { from: day * DAY_US + fromMinute * MINUTE_US, to: day * DAY_US + endMinute * MINUTE_US };
    });
}

export function personsOf(config: NotifyConfig, ids: readonly string[], at: number): Set<string> {
  const find = (id: string): Contact | undefined => config.contacts.find((contact) => contact.id === id);
  const persons = new Set<string>();
  for (const id of ids) {
    let contact = find(id);
    while (contact !== undefined && contact.onCall !== null) contact = find(standIn(config, contact.onCall, at) ?? '');
    if (contact !== undefined) persons.add(contact.id);
  }
  return persons;
}

function standIn(config: NotifyConfig, onCall: OnCall, at: number): string | undefined {
  if (onCall.kind === 'schedules') return onCall.entries.find(({ schedule }) => schedule === null || holds(config, schedule, at))?.to;
  const begin = Date.parse(`${onCall.start}T00:00:00Z`) * 1000 + onCall.handoverMinute * MINUTE_US;
  const turn = Math.floor((at - begin) / (onCall.everyDays * DAY_US));
  return onCall.of[((turn % onCall.of.length) + onCall.of.length) % onCall.of.length];
}

/** Every time between the two at which somebody's hours begin or end, in order. */
export function edgesOf(configs: readonly NotifyConfig[], from: number, to: number): number[] {
  const edges = new Set<number>();
  for (let day = Math.floor(from / DAY_US) - 1; day * DAY_US < to; day++) {
    for (const { schedules, contacts } of configs) {
      for (const span of schedules.flatMap((schedule) => spansOf(schedule, day))) edges.add(span.from).add(span.to);
      for (const { onCall } of contacts) if (onCall?.kind === 'rotation') edges.add(day * DAY_US + onCall.handoverMinute * MINUTE_US);
    }
  }
  return [...edges].filter((at) => at > from && at < to).sort((a, b) => a - b);
}
