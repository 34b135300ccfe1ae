/**
 * Replays of the quarantine, on request: an entry is decoded again, what came of it is made durable in the journal, and only then it leaves.
 * A crash in between leaves it, and a second replay changes nothing. One at a time, and bounded: a request looks at so many entries, and
 * says how many remain.
 */
import type { Rejection } from '../domain/reading.ts';
import type { Clock } from '../std/clock.ts';
import { Unavailable } from '../std/errors.ts';
import type { Ingest } from './ingest.ts';

/** As many as are decoded before sockets have their turn again. */
const AT_ONCE = { limit: 100, bytesMax: 256 * 1024 };
/** What asks waits for the answer. */
const TIME_MAX_MS = 10_000;
const STILL_SHOWN_MAX = 20;

type Kept = Rejection & { readonly id: number };
type Still = { readonly reason: string; readonly detail: string; readonly partial: boolean };

export interface KeptFilter {
  readonly reason?: string;
  readonly device?: string;
  readonly topic?: string;
}

/** Where they are kept. */
export interface KeptRejections {
  rejection(id: number): Promise<Kept | null>;
  /** The oldest after an id. */
  oldest(filter: KeptFilter, range: { after: number; limit: number; bytesMax: number }): Promise<readonly Kept[]>;
  count(filter: KeptFilter, after: number): Promise<number>;
  settle(outcomes: readonly { readonly id: number; readonly still: Still | null }[]): Promise<void>;
}

export interface ReplayOptions {
  /** Before rules as well, not into history alone. */
  readonly rules: boolean;
}

export interface ReplayOutcome {
  readonly id: number;
  /** `nothing`: it is no error any more, and holds nothing to keep. `kept`: something of it is rejected still. */
  readonly outcome: 'replayed' | 'nothing' | 'kept';
  /** How many were put in. */
  readonly readings: number;
  readonly reason?: string;
  readonly detail?: string;
}

export interface ReplaySummary {
  /** How many have left. */
  readonly replayed: number;
  readonly kept: number;
  readonly readings: number;
  /** Some of those that stay, and why. */
  readonly still: readonly ReplayOutcome[];
  /** How many have not been looked at. */
  readonly remaining: number;
  /** For the request that goes on; null at the end. */
  readonly next: string | null;
}

export class QuarantineReplay {
  readonly #kept: KeptRejections;
  readonly #ingest: Pick<Ingest, 'replay'>;
  readonly #clock: Clock;
  readonly #keepsHistory: boolean;
  #isUnderWay = false;

  constructor(options: { kept: KeptRejections; ingest: Pick<Ingest, 'replay'>; clock: Clock; keepsHistory: boolean }) {
    this.#kept = options.kept;
    this.#ingest = options.ingest;
    this.#clock = options.clock;
    this.#keepsHistory = options.keepsHistory;
  }

  /** @returns null when there is none with this id */
  one(id: number, options: ReplayOptions): Promise<ReplayOutcome | null> {
    return this.#alone(options, async () => {
      const kept = await this.#kept.rejection(id);
      if (kept === null) return null;
      const [outcome] = await this.#replay([kept], options);
      return outcome ?? null;
    });
  }

  /** @param request.after where the request before ended */
  many(filter: KeptFilter, request: ReplayOptions & { readonly limit: number; readonly after: number }): Promise<ReplaySummary> {
    return this.#alone(request, async () => {
      const endsMs = this.#clock.monotonicMs() + TIME_MAX_MS;
      const still: ReplayOutcome[] = [];
      let after = request.after;
      let left = request.limit;
      const sums = { replayed: 0, kept: 0, readings: 0 };
      while (left > 0 && this.#clock.monotonicMs() < endsMs) {
        const kept = await this.#kept.oldest(filter, { after, limit: Math.min(left, AT_ONCE.limit), bytesMax: AT_ONCE.bytesMax });
        if (kept.length === 0) break;
        for (const outcome of await this.#replay(kept, request)) {
          sums.readings += outcome.readings;
          sums[outcome.outcome === 'kept' ? 'kept' : 'replayed'] += 1;
          if (outcome.outcome === 'kept' && still.length < STILL_SHOWN_MAX) still.push(outcome);
        }
        left -= kept.length;
        after = kept.at(-1)?.id ?? after;
      }
      const remaining = await this.#kept.count(filter, after);
      return { ...sums, still, remaining, next: remaining === 0 ? null : String(after) };
    });
  }

  async #replay(kept: readonly Kept[], options: ReplayOptions): Promise<readonly ReplayOutcome[]> {
    const replayed = await this.#ingest.replay(kept, options);
    const settled = kept.map(({ id }, index) => ({ id, result: replayed[index] }));
    await this.#kept.settle(
      settled.map(({ id, result }) => ({
        id,
        still: result?.kind === 'kept' ? { reason: result.reason, detail: result.detail, partial: result.partial } : null,
      })),
    );
    return settled.map(({ id, result }) => {
      const readings = result?.readings ?? 0;
      if (result?.kind === 'kept') return { id, outcome: 'kept', readings, reason: result.reason, detail: result.detail };
      return { id, outcome: readings === 0 ? 'nothing' : 'replayed', readings };
    });
  }

  async #alone<Result>({ rules }: ReplayOptions, body: () => Promise<Result>): Promise<Result> {
    if (!rules && !this.#keepsHistory)
      throw new Unavailable('this instance keeps no history', { hint: 'with rules: true they are replayed before rules' });
    if (this.#isUnderWay) throw new Unavailable('another replay is under way', { hint: 'try again when it has ended' });
    this.#isUnderWay = true;
    try {
      return await body();
    } finally {
      this.#isUnderWay = false;
    }
  }
}
