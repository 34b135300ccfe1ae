/** Where a backtest's readings come from. A source hands them out in order of receipt, a bounded number at a time. */
import type { Reading } from '../../domain/reading.ts';

export interface Source extends AsyncDisposable {
  /** What it is, for people. */
  readonly name: string;
  /** The journal's, where there is one: then alerts have the ids that they have in the instance. */
  readonly journalId: string | null;
  /** In order of `receivedAt`, each once. */
  readonly batches: AsyncIterable<SourceBatch>;
  /** How much of it has been handed out, 0 to 1. */
  fraction(): number;
}

export interface SourceBatch {
  readonly readings: readonly Reading[];
  /** Of each reading in the journal; null where there is none. */
  readonly positions: readonly number[] | null;
}

/** µs; `to` is not in it. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}
