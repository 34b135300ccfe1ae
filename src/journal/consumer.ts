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
  const aborted = new Promise<null>((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
  let cursor = options.from;
  while (!signal.aborted) {
    const reading = journal.read(id, partition, cursor, {
      bytesMax: options.sliceBytesMax ?? SLICE_BYTES_MAX,
      waitMs: Math.min(Math.max(0, handler.waitMs()), WAIT_MS_MAX),
      lingerMs: options.lingerMs ?? 0,
    });
    const slice = await Promise.race([reading, aborted]);
    if (slice === null) {
      // The journal may be closing too: what this read answers no longer matters to anyone.
      reading.catch(() => undefined);
      break;
    }
    await handler.apply(slice, cursor);
    const last = slice.batches.at(-1);
    if (last !== undefined) cursor = last.first + last.count;
  }
  return cursor;
}
