/** Writes numbered readings with their cursor to the embedded history until it is killed. Arguments: file. One line a durable write: its cursor. */
import pino from 'pino';
import { SqliteSeriesStore } from '../../src/history/sqlite-series-store.ts';
import { systemClock } from '../../src/std/clock.ts';
import { numberedReading } from './numbered.ts';

const [, , path = ''] = process.argv;
const store = new SqliteSeriesStore({ path, keepMs: null, clock: systemClock, logger: pino({ level: 'silent' }) });
const signal = new AbortController().signal;
let position = store.cursor(0)?.position ?? 0;
for (;;) {
  const end = position + 1 + ((position * 7) % 900);
  const readings = Array.from({ length: end - position }, (_, index) => numberedReading(position + index));
  position = end;
  await store.write(readings, { cursor: { partition: 0, journalId: 'j', position }, signal, refused: () => undefined });
  process.stdout.write(`${position}\n`);
}
