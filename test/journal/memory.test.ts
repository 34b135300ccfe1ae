import { expect, it } from 'vitest';
import { JournalFull } from '../../src/journal/journal.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock } from '../../src/std/clock.ts';
import { journalContract, numbered, readNumbers } from './contract.ts';

journalContract('memory', async () => createMemoryJournal({ clock: systemClock }));

it('makes room only below the slowest holder, and refuses appends until it moves', async () => {
  const size = numbered(0, 10).bytes.length;
  const journal = createMemoryJournal({ clock: systemClock, bytesMax: size * 3, holders: ['history'] });
  for (let n = 0; n < 30; n += 10) await journal.append(0, numbered(n, 10));
  await expect(journal.append(0, numbered(30, 10))).rejects.toThrow(JournalFull);
  expect(journal.stats().full).toContain('bytes');
  await journal.release('history', 0, 15);
  await journal.append(0, numbered(30, 10));
  expect(journal.stats().full).toBeNull();
  expect(await readNumbers(journal, 10)).toEqual(Array.from({ length: 30 }, (_, n) => n + 10));
});
