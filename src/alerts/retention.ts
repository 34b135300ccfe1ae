/**
 * How long alerts that have ended are kept: `KEEP_MS`, and past that many transitions in all, the ones that ended first
 * are let go earlier. In bounded pieces, and only while no reading waits to be evaluated. A transition that notifying has
 * not yet worked through is never let go, nor is an alert that is open.
 */
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { StateStore } from './state-store.ts';

const KEEP_MS = 400 * 86_400_000;
/** About 400 MB. */
const TRANSITIONS_MAX = 500_000;
const ROWS_PER_PIECE_MAX = 1000;
const LOOK_EVERY_MS = 3_600_000;
/** So that what piled up goes within minutes, and no alert waits behind it. */
const PIECE_EVERY_MS = 500;

export interface RetentionLimits {
  readonly keepMs: number;
  readonly transitionsMax: number;
  readonly rowsPerPieceMax: number;
}

export interface RetentionOptions {
  readonly store: StateStore;
  readonly followedTo: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onLetGo: (alerts: number) => void;
  readonly limits?: Partial<RetentionLimits>;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #limits: RetentionLimits;
  #dueMs: number;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#limits = { keepMs: KEEP_MS, transitionsMax: TRANSITIONS_MAX, rowsPerPieceMax: ROWS_PER_PIECE_MAX, ...options.limits };
    this.#dueMs = options.clock.monotonicMs();
  }

  get inMs(): number {
    return Math.max(0, this.#dueMs - this.#options.clock.monotonicMs());
  }

  /** Lets go of one piece, where it is time for one. */
  step(): void {
    if (this.inMs > 0) return;
    const { store, clock, followedTo, onLetGo, logger } = this.#options;
    const { keepMs, transitionsMax, rowsPerPieceMax } = this.#limits;
    let isMore = false;
    try {
      const gone = store.letGo({
        endedBefore: clock.now() - keepMs * 1000,
        transitionsMax,
        followedTo: followedTo(),
        rowsMax: rowsPerPieceMax,
      });
      isMore = gone.isMore;
      onLetGo(gone.alerts);
    } catch (error) {
      // A full disk, most likely: deleting needs room as well. Nothing depends on it now.
      logger.warn({ error: messageOf(error) }, 'old alerts cannot be let go; trying again later');
    }
    this.#dueMs = clock.monotonicMs() + (isMore ? PIECE_EVERY_MS : LOOK_EVERY_MS);
  }
}
