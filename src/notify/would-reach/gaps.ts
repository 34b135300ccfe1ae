/**
 * When nobody holds: at which times of the week a set of contacts comes to no person, as the schedules of who is on call leave
 * a hole. Pure: looked at are weeks of summer and winter time, and one in which some zones have changed and others have not.
 */
import type { Contact, Schedule } from '../../domain/notification.ts';
import { isWithin, nextBoundary } from '../calendar.ts';

/** µs; with the zone in which people think of it. `always`: there is no time at which it reaches anybody. */
export type Gap = { readonly always: true } | { readonly always: false; readonly from: number; readonly to: number; readonly zone: string };

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;
/** More than a week: a hole around the beginning of the week is seen from one end to the other. */
const LOOK_US = 9 * DAY_US;
/** Mondays, 12:00 UTC. */
const WEEKS = [Date.UTC(2026, 0, 5, 12), Date.UTC(2026, 2, 16, 12), Date.UTC(2026, 6, 6, 12)].map((ms) => ms * 1000);
/** A schedule has no more boundaries in a week than its windows; this ends the search whatever it has. */
const BOUNDARIES_MAX = 5000;

export class Gaps {
  readonly #contacts: ReadonlyMap<string, Contact>;
  readonly #schedules: ReadonlyMap<string, Schedule>;
  readonly #found = new Map<string, Gap | null>();

  constructor({ contacts, schedules }: { readonly contacts: readonly Contact[]; readonly schedules: readonly Schedule[] }) {
    this.#contacts = new Map(contacts.map((contact) => [contact.id, contact]));
    this.#schedules = new Map(schedules.map((schedule) => [schedule.id, schedule]));
  }

  /** The first time at which none of them comes to a person; null: there is always one. */
  of(contacts: readonly string[]): Gap | null {
    const key = JSON.stringify([...contacts].sort());
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const schedules = this.#schedulesOf(contacts);
    const gap = gapIn(schedules, (atUs) => contacts.some((id) => this.#isHeld(id, atUs)));
    this.#found.set(key, gap);
    return gap;
  }

  /** Whether there is a time at which a route with these tells of anything. */
  isEverOpen({ active, muted }: { readonly active: string | null; readonly muted: string | null }): boolean {
    const [whenActive, whenMuted] = [active, muted].map((id) => (id === null ? undefined : this.#schedules.get(id)));
    const schedules = [whenActive, whenMuted].filter((schedule) => schedule !== undefined);
    // Turned round: open all the time means that there is no gap of mutes.
    const isMuted = (atUs: number): boolean =>
      (whenActive !== undefined && !isWithin(whenActive, atUs)) || (whenMuted !== undefined && isWithin(whenMuted, atUs));
    return schedules.length === 0 || gapIn(schedules, isMuted) !== null;
  }

  /** In turn, each of them has it at some time: all have to hold. By schedules, the one whose schedule holds then. */
  #isHeld(id: string, atUs: number): boolean {
    const contact = this.#contacts.get(id);
    if (contact === undefined) return false;
    const { onCall, channels } = contact;
    if (onCall === null) return channels.length > 0;
    if (onCall.kind === 'rotation') return onCall.of.every((other) => this.#isHeld(other, atUs));
    const entry = onCall.entries.find(({ schedule }) => {
      const when = schedule === null ? null : this.#schedules.get(schedule);
      return when === null || (when !== undefined && isWithin(when, atUs));
    });
    return entry !== undefined && this.#isHeld(entry.to, atUs);
  }

  /** All that they go by, at any depth. */
  #schedulesOf(contacts: readonly string[]): Schedule[] {
    const passed = new Set(contacts);
    const schedules = new Set<Schedule>();
    for (const id of passed) {
      const onCall = this.#contacts.get(id)?.onCall ?? null;
      if (onCall?.kind === 'rotation') for (const other of onCall.of) passed.add(other);
      if (onCall?.kind !== 'schedules') continue;
      for (const { schedule, to } of onCall.entries) {
        passed.add(to);
        const found = schedule === null ? undefined : this.#schedules.get(schedule);
        if (found !== undefined) schedules.add(found);
      }
    }
    return [...schedules];
  }
}

/** The first span in which `holds` is false, from a change to the next one. It may change at the schedules' boundaries only. */
function gapIn(schedules: readonly Schedule[], holds: (atUs: number) => boolean): Gap | null {
  const zone = schedules[0]?.zone ?? 'UTC';
  const boundaryAfter = (atUs: number): number => Math.min(...schedules.map((schedule) => nextBoundary(schedule, atUs)));
  let cut: Gap | null = null;
  let hasHeld = false;
  for (const begin of WEEKS) {
    let from: number | null = null;
    let atUs = begin;
    for (let count = 0; atUs < begin + LOOK_US && count < BOUNDARIES_MAX; count++) {
      const isHeld = holds(atUs);
      hasHeld ||= isHeld;
      if (!isHeld) from ??= atUs;
      if (isHeld && from !== null) {
        const gap: Gap = { always: false, from, to: atUs, zone };
        if (from > begin) return gap;
        cut ??= gap;
        from = null;
      }
      atUs = boundaryAfter(atUs);
    }
    if (from !== null && from > begin) return { always: false, from, to: atUs, zone };
    if (from !== null) cut ??= { always: false, from, to: atUs, zone };
  }
  if (!hasHeld) return { always: true };
  return cut;
}

/** `from Fri 17:00 to Mon 08:00 (Europe/Berlin)` */
export function gapText(gap: Gap): string {
  if (gap.always) return 'at any time';
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: gap.zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const [from, to] = [gap.from, gap.to].map((atUs) => format.format(atUs / 1000).replace(',', ''));
  return `from ${from} to ${to} (${gap.zone})`;
}
