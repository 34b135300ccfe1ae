import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/journal/journal.ts';
import { JournalFull, PositionLost } from '../../src/journal/journal.ts';
import { openSqliteJournal, type SqliteJournalOptions } from '../../src/journal/sqlite.ts';
import { type Clock, systemClock } from '../../src/std/clock.ts';
import { journalContract, numbered, readNumbers } from './contract.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tocsin-journal-'));
  folders.push(path);
  return path;
}

function open(path: string, options: Partial<SqliteJournalOptions> = {}): Promise<Journal> {
  return openSqliteJournal({
    path: join(path, 'journal.db'),
    bytesMax: 1e9,
    reserveBytes: 0,
    keepMs: null,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    holders: ['history'],
    ...options,
  });
}

journalContract('sqlite', async (options) => open(await folder(), options));

describe('sqlite journal', () => {
  it('keeps its id, its entries and its head over a restart', async () => {
    const path = await folder();
    const before = await open(path);
    await before.append(0, numbered(0, 5));
    const { id } = before;
    await before.close();
    const after = await open(path);
    expect(after.id).toBe(id);
    expect(after.range(0)).toEqual({ first: 0, head: 5 });
    expect(await readNumbers(after, 2)).toEqual([2, 3, 4]);
    expect(await after.append(0, numbered(5, 1))).toBe(5);
    await after.close();
  });

  it('refuses appends past its budget, and takes them again when a holder lets go', async () => {
    const path = await folder();
    const journal = await open(path, { bytesMax: 2_000_000 });
    let appended = 0;
    let refusal: unknown;
    for (; appended < 200 && refusal === undefined; appended += 1) {
      refusal = await journal.append(0, numbered(appended * 1000, 1000)).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    expect(refusal).toBeInstanceOf(JournalFull);
    expect(journal.stats().full).toContain('journal.maxBytes');
    const stored = journal.range(0).head;
    expect(await readNumbers(journal, stored - 1)).toHaveLength(1);
    await journal.release('history', 0, stored);
    // Room is made by the journal itself, within its retention interval.
    await expect
      .poll(() => journal.append(0, numbered(0, 1)).then(() => 'appended', String), { timeout: 15_000, interval: 500 })
      .toBe('appended');
    expect(journal.range(0).first).toBeGreaterThan(0);
    await expect(journal.read('history', 0, 0, { bytesMax: 1, waitMs: 0 })).rejects.toThrow(PositionLost);
    await journal.close();
  });

  it('deletes what is past its time only below the slowest holder, and never its last batch', async () => {
    const path = await folder();
    const journal = await open(path, { keepMs: 1, holders: ['alerting', 'history'] });
    for (let n = 0; n < 50; n += 10) await journal.append(0, numbered(n, 10));
    await journal.release('alerting', 0, 50);
    await journal.release('history', 0, 20);
    await expect.poll(() => journal.range(0).first, { timeout: 12_000 }).toBe(20);
    await journal.release('history', 0, 50);
    await expect.poll(() => journal.range(0).first, { timeout: 12_000 }).toBe(40);
    await journal.close();
    const again = await open(path);
    expect(again.range(0).head).toBe(50);
    await again.close();
  });

  it('refuses to open a file that is no database, and says which', async () => {
    const path = await folder();
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(path, 'journal.db'), 'this is not a database, whatever its name says'.repeat(200));
    await expect(open(path)).rejects.toThrow(/journal\.db/);
  });

  /** Looks after its disk every few milliseconds instead of seconds. */
  const hurried: Clock = { ...systemClock, after: (delayMs, callback) => systemClock.after(Math.min(delayMs, 20), callback) };

  it('gives the disk back what it deletes, all of it', async () => {
    const path = await folder();
    const journal = await open(path, { keepMs: 1, clock: hurried });
    for (let n = 0; n < 100; n++) await journal.append(0, numbered(n * 8000, 8000));
    const full = (await stat(join(path, 'journal.db'))).size;
    expect(full).toBeGreaterThan(15_000_000);
    await journal.release('history', 0, 100 * 8000);
    await expect.poll(async () => (await stat(join(path, 'journal.db'))).size, { timeout: 10_000 }).toBeLessThan(full / 4);
    await journal.close();
  });

  it('makes room for a batch that is larger than what is kept free', async () => {
    const journal = await open(await folder(), { bytesMax: 20_000_000, clock: hurried });
    for (let n = 0; n < 48; n++) await journal.append(0, numbered(n * 8000, 8000));
    await journal.release('history', 0, 48 * 8000);
    const large = numbered(48 * 8000, 80_000);
    const append = () => journal.append(0, large).catch((error: unknown) => error);
    await expect.poll(append, { timeout: 10_000, interval: 50 }).toBe(48 * 8000);
    await journal.close();
  });
});
