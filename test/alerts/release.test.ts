/** What alerting has worked through is the journal's to delete from the first moment on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createAlerting } from '../../src/alerts/alerting.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import { type Journal, JournalFull } from '../../src/journal/journal.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { systemClock as clock } from '../../src/std/clock.ts';
import { directoryOf } from './scenario.ts';

const batch = () => {
  const writer = new BatchWriter();
  const device = { id: 'fridge-01', profile: null, labels: {} };
  for (let n = 1; n <= 10; n++) writer.addReading(device, ['temperature'], [n], { at: n, receivedAt: n, flags: 0 });
  return writer.take();
};

it('lets a full journal make room after a restart, though nothing new can come in', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-release-'));
  using database = openDatabase(join(folder, 'state.db'));
  const journalOf = () => createMemoryJournal({ clock, bytesMax: 600, holders: ['alerting'] });
  const start = (journal: Journal, signal: AbortSignal): Promise<void> =>
    createAlerting({
      journal,
      journalId: 'journal-1',
      partition: 0,
      range: journal.range(0),
      database,
      rules: [],
      directory: directoryOf(),
      clock,
      logger: pino({ level: 'silent' }),
      registry: new Registry(),
      startGraceMs: 0,
      onTransitions: () => undefined,
      followedTo: () => Number.MAX_SAFE_INTEGER,
    }).run(signal);

  const before = journalOf();
  await before.append(0, batch());
  await start(before, AbortSignal.timeout(100));
  // What a new process finds: the stored cursor is at the end of a full journal, which has not heard of it yet.
  const after = journalOf();
  await after.append(0, batch());
  await expect(after.append(0, batch())).rejects.toThrow(JournalFull);
  const stop = new AbortController();
  const running = start(after, stop.signal);
  await expect.poll(() => after.append(0, batch()).catch(() => null)).toBe(10);
  stop.abort();
  await running;
  rmSync(folder, { recursive: true });
});
