/**
 * The cursor loop that every consumer runs: read a slice, work through it, read on. It waits at the end of the journal
 * without polling, and gives the handler a turn whenever the handler's own time limit passes.
 */
import type { JournalReader, Partition, Position, Slice } from './journal.ts';

export interface SliceHandler {
  /**
   * Works through everything in the slice from the cursor on; an entry below the cursor (the first batch may begin
   * before it) is to be skipped. Called with no batches when `waitMs` passed. What it throws ends the loop.
   */
  apply(slice: Slice, cursor: Position): void | Promise<void>;
  /** How long it is content to wait at the end of the journal. */
  waitMs(): number;
}

const SLICE_BYTES_MAX = 512 * 1024;
const WAIT_MS_MAX = 60_000;

export async function follow(options: {
  readonly id: string;
  readonly journal: JournalReader;
  readonly partition: Partition;
  readonly from: Position;
  readonly handler: SliceHandler;
  readonly signal: AbortSignal;
  readonly sliceBytesMax?: number;
  /** See ReadOptions. */
  readonly lingerMs?: number;
}): Promise<Position> {
  const { id, journal, partition, handler, signal } = options;
  let cursor = options.from;
  while (!signal.aborted) {
    const reading = journal.read(id, partition, cursor, {
      bytesMax: options.sliceBytesMax ?? SLICE_BYTES_MAX,
      waitMs: Math.min(Math.max(0, handler.waitMs()), WAIT_MS_MAX),
      lingerMs: options.lingerMs ?? 0,
    });
    const slice = await unlessAborted(reading, signal);
    if (slice === null) break;
    await handler.apply(slice, cursor);
    const last = slice.batches.at(-1);
    if (last !== undefined) cursor = last.first + last.count;
  }
  return cursor;
}

/**
 * The slice, or null when the signal aborts first. Not a race against one promise for the whole loop: that promise would
 * remember every slice it was ever raced with.
 */
function unlessAborted(reading: Promise<Slice>, signal: AbortSignal): Promise<Slice | null> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(null);
    // An abort in the midst of the read's own call has no event left to hear.
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    // After an abort the journal may be closing too: what the read answers then no longer matters to anyone.
    reading.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
