/**
 * `learned.json` in the data folder: what formats have learned from births, discovery and descriptions, up to a position of the journal.
 * What came later stands in the journal itself, so the file may be old, or missing while the journal is whole: it only keeps the start
 * short, and outlives the journal's retention. It is written beside and renamed, so that a crash leaves the one before.
 */
import { open, readFile, rename } from 'node:fs/promises';
import type { LearnedTable } from '../devices/learned.ts';
import type { Journal, Partition, Position } from '../journal/journal.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';

/** As often as consumers save where they are: writing all of it takes the thread some milliseconds, and nothing is lost meanwhile. */
const LOOK_EVERY_MS = 30_000;
/** Without anything new the position is saved when it is this far behind, or a start would read the journal from there. */
const ENTRIES_BEHIND_MAX = 1_000_000;

export interface LearnedFileOptions {
  readonly path: string;
  readonly journal: Journal;
  readonly partition: Partition;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** @returns up to which position `into` now knows everything */
export async function loadLearned({ path, journal, logger }: LearnedFileOptions, into: LearnedTable): Promise<Position> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
  const file = parsed(text);
  if (file === null || file.journal !== journal.id) {
    const reason = file === null ? 'it is damaged' : 'it belongs to another journal';
    logger.warn({ path, reason }, 'what formats have learned is read from the journal alone');
    return 0;
  }
  for (const [key, json] of file.learned) into.recall({ key, json });
  return file.position;
}

interface Snapshot {
  readonly journal: string;
  readonly position: Position;
  readonly learned: readonly (readonly [key: string, json: string])[];
}

function parsed(text: string): Snapshot | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('journal' in value) || !('position' in value) || !('learned' in value))
      return null;
    const { journal, position, learned } = value;
    if (typeof journal !== 'string' || typeof position !== 'number' || !Array.isArray(learned)) return null;
    const pairs = learned.map((pair: unknown) => (Array.isArray(pair) ? ([String(pair[0]), String(pair[1])] as const) : null));
    return pairs.includes(null) ? null : { journal, position, learned: pairs.filter((pair) => pair !== null) };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Keeps the file up to date. @param learned asked for each time, as a reload exchanges the decoder */
export class LearnedFile implements Service {
  readonly id = 'learned';
  readonly #options: LearnedFileOptions;
  readonly #learned: () => LearnedTable;
  #savedAt: Position;
  #savedVersion = 0;

  constructor(options: LearnedFileOptions, from: { position: Position; learned: () => LearnedTable }) {
    this.#options = options;
    this.#learned = from.learned;
    this.#savedAt = from.position;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, path, journal, partition } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      const isBehind = journal.range(partition).head - this.#savedAt > ENTRIES_BEHIND_MAX;
      if (!isBehind && this.#learned().version === this.#savedVersion) continue;
      try {
        await this.#save();
      } catch (error) {
        // The journal has what the file lacks: the next look tries again.
        logger.error({ path, reason: messageOf(error) }, 'what formats have learned cannot be written');
      }
    }
  }

  async #save(): Promise<void> {
    const { path, journal, partition } = this.#options;
    const learned = this.#learned();
    const { version } = learned;
    // The position first: whatever is durable below it has been learned, and what is learned meanwhile does no harm twice.
    const position = journal.range(partition).head;
    const pairs = [...learned.entries()].map(({ key, json }) => [key, json] as const);
    const snapshot: Snapshot = { journal: journal.id, position, learned: pairs };
    const file = await open(`${path}.new`, 'w');
    try {
      await file.writeFile(JSON.stringify(snapshot));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    this.#savedAt = position;
    this.#savedVersion = version;
  }
}
