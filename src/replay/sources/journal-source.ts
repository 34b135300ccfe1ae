/** The journal as a source: the only one that knows when each reading reached us, and what labels its topic gave it. */
import type { Reading } from '../../domain/reading.ts';
import { Interning } from '../../history/interning.ts';
import { readBatch } from '../../journal/batch-reader.ts';
import { JournalFile } from '../../journal/sqlite-reader.ts';
import type { Source, SourceBatch, TimeRange } from './source.ts';

const BATCH_READINGS = 5000;

/** @param range of receipt */
export function journalSource(path: string, range: TimeRange): Source {
  const file = new JournalFile(path);
  let reached = range.from;
  async function* batches(): AsyncGenerator<SourceBatch> {
    for (const batch of received(file, range)) {
      reached = batch.readings.at(-1)?.receivedAt ?? reached;
      yield batch;
    }
  }
  return {
    name: path,
    journalId: file.id,
    batches: batches(),
    fraction: () => (reached - range.from) / (range.to - range.from),
    [Symbol.asyncDispose]: async () => file[Symbol.dispose](),
  };
}

function* received(file: JournalFile, range: TimeRange): Generator<SourceBatch> {
  const { device, shape } = new Interning();
  let readings: Reading[] = [];
  let positions: number[] = [];
  let last = range.from;
  let isPast = false;
  for (const { first, bytes } of file.batches(range.from)) {
    const visitor = {
      reading(reading: Reading, index: number): void {
        if (reading.receivedAt < range.from) return;
        isPast ||= reading.receivedAt >= range.to;
        if (isPast) return;
        // A clock that was set back while it was received: journal time never goes back.
        last = Math.max(last, reading.receivedAt);
        readings.push(reading.receivedAt === last ? reading : { ...reading, receivedAt: last });
        positions.push(first + index);
      },
    };
    readBatch(bytes, visitor, { internDevice: device, internShape: shape });
    if (isPast) break;
    if (readings.length < BATCH_READINGS) continue;
    yield { readings, positions };
    readings = [];
    positions = [];
  }
  if (readings.length > 0) yield { readings, positions };
}
