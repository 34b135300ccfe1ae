/**
 * What is observed of Tocsin, and what it makes of it: the values of a reading of itself. Pure but for what it remembers
 * between two readings; times are handed in.
 */
import type { JournalStats, Position } from '../journal/journal.ts';
import type { SelfValues } from './self-profile.ts';

/** Channels that fail, and contacts who were not reached over any of theirs. */
export interface ChannelReport {
  readonly failing: readonly { readonly channel: string; readonly contact: string; readonly since: number; readonly detail: string }[];
  readonly undelivered: readonly string[];
}

export interface Disk {
  readonly bytesMax: number;
  readonly reserveBytes: number;
  /** Of the journal's file system; null: not known at present. */
  readonly freeBytes: number | null;
}

export interface Observed {
  /** Monotonic clock. */
  readonly nowMs: number;
  /** Wall clock, µs. */
  readonly now: number;
  readonly range: { readonly first: Position; readonly head: Position };
  readonly stats: JournalStats;
  readonly disk: Disk;
  /** Why the series store is not written to, null when it is; undefined: the thread gave no answer. */
  readonly historyTrouble: string | null | undefined;
  /** Undefined: the thread gave no answer. */
  readonly channels: ChannelReport | undefined;
  /** How long canaries take, in ms; null: there was none yet. */
  readonly canary: {
    readonly evaluatedMs: number | null;
    readonly storedMs: number | null;
    /** How long the oldest one that history has not stored is on its way. */
    readonly unstoredMs: number;
  };
}

const NONE = 'none';
const TEXT_LENGTH_MAX = 300;
const NAMES_MAX = 5;
/** Of what has no reserve, and of what has plenty: more says nothing more. */
const FREE_MAX = 1000;

export class Observing {
  readonly #clock = new ClockSteps();
  readonly #stuck = new StuckConsumers();

  valuesOf(observed: Observed): SelfValues {
    const { stats, range, disk, canary, channels, nowMs, now } = observed;
    const alerting = stats.consumers.find(({ id }) => id === 'alerting');
    const history = stats.consumers.find(({ id }) => id === 'history');
    // A history that waits for its store says so, and lags: it does not stand still for want of anything here.
    const waiting = typeof observed.historyTrouble === 'string' ? ['history'] : [];
    const stuck = this.#stuck.observe(stats.consumers, nowMs).filter((id) => !waiting.includes(id));
    return {
      ...(canary.evaluatedMs !== null && { canary_s: seconds(canary.evaluatedMs) }),
      ...(alerting !== undefined && { alerting_lag: alerting.lag }),
      ...(history !== undefined && {
        ...(canary.storedMs !== null && { canary_history_s: seconds(canary.storedMs) }),
        // What was read and not yet written is not in history.
        history_lag: Math.max(0, range.head - Math.max(history.released, range.first)),
        history_lag_s: seconds(canary.unstoredMs),
        history_trouble: cut(observed.historyTrouble === undefined ? 'it gives no answer' : (observed.historyTrouble ?? NONE)),
      }),
      stuck_consumers: stuck.length,
      stuck: listed(stuck),
      disk_used: share(stats.bytes, disk.bytesMax),
      disk_held: rounded(share(stats.bytes, disk.bytesMax) * heldShare(observed)),
      ...(disk.freeBytes !== null && { disk_free: rounded(Math.min(FREE_MAX, disk.freeBytes / Math.max(1, disk.reserveBytes))) }),
      // In tenths: the wall clock is read in milliseconds, and what it is slewed by is no step.
      clock_step_s: Math.round(this.#clock.observe(now, nowMs) / 100) / 10,
      ...(channels !== undefined && {
        channels_failing: channels.failing.length,
        failing: listed(channels.failing.map(({ channel, contact, detail }) => `${channel} to ${contact} (${detail})`)),
        undelivered: channels.undelivered.length,
        undelivered_to: listed(channels.undelivered),
      }),
    };
  }
}

/**
 * The part of the journal that nothing may be deleted of, as a consumer has not released it. The rest is kept for as long
 * as there is room, and makes room by itself: a journal that is full of it is as it should be.
 */
function heldShare({ range, stats }: Observed): number {
  const entries = range.head - range.first;
  if (entries <= 0) return 0;
  const released = Math.min(range.head, ...stats.consumers.map((consumer) => Math.max(consumer.released, range.first)));
  return (range.head - released) / entries;
}

const CLOCK_REMEMBERED_MS = 300_000;

/**
 * By how much the wall clock went another way than the monotonic one. A step is remembered for a while by the latter: a
 * warning must last longer than the wait before it is told, and end by itself, whichever way the wall clock went.
 */
export class ClockSteps {
  #last: { readonly now: number; readonly ms: number } | null = null;
  #steps: { readonly ms: number; readonly sizeMs: number }[] = [];

  /** @returns the largest step lately, in ms */
  observe(now: number, nowMs: number): number {
    if (this.#last !== null) {
      const sizeMs = Math.abs((now - this.#last.now) / 1000 - (nowMs - this.#last.ms));
      // Of two, the later one counts for longer: an earlier one that is no larger is of no use any more.
      this.#steps = [...this.#steps.filter((step) => step.sizeMs > sizeMs), { ms: nowMs, sizeMs }];
    }
    this.#last = { now, ms: nowMs };
    this.#steps = this.#steps.filter(({ ms }) => nowMs - ms < CLOCK_REMEMBERED_MS);
    return this.#steps[0]?.sizeMs ?? 0;
  }
}

const STUCK_AFTER_MS = 60_000;

/** Who has something to read and has not moved for a minute. */
export class StuckConsumers {
  readonly #known = new Map<string, { readonly position: Position; readonly sinceMs: number }>();

  observe(consumers: JournalStats['consumers'], nowMs: number): string[] {
    return consumers.flatMap(({ id, position, lag }) => {
      const known = this.#known.get(id);
      if (lag === 0 || known === undefined || known.position !== position) {
        // Without anything to read it may stand where it is, for however long.
        if (lag === 0) this.#known.delete(id);
        else this.#known.set(id, { position, sinceMs: nowMs });
        return [];
      }
      return nowMs - known.sinceMs > STUCK_AFTER_MS ? [id] : [];
    });
  }
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
const seconds = (milliseconds: number): number => rounded(milliseconds / 1000);
const share = (part: number, whole: number): number => (whole <= 0 ? 0 : rounded(part / whole));
const cut = (text: string): string => (text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX - 1)}…`);

function listed(names: readonly string[]): string {
  if (names.length === 0) return NONE;
  const more = names.length > NAMES_MAX ? `; and ${names.length - NAMES_MAX} more` : '';
  return cut(names.slice(0, NAMES_MAX).join('; ')) + more;
}
