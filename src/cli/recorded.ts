/** What was recorded, opened to be read again: the history or the journal that the configuration names. */
import { join } from 'node:path';
import { type KnownDevice, readKnownDevices } from '../alerts/known-devices.ts';
import { openSeriesReader } from '../history/open.ts';
import { deviceResolver, historySource } from '../replay/sources/history-source.ts';
import { journalSource } from '../replay/sources/journal-source.ts';
import type { Source, TimeRange } from '../replay/sources/source.ts';
import { systemClock } from '../std/clock.ts';
import { TocsinError } from '../std/errors.ts';
import type { Loaded } from './load.ts';

export interface Recorded {
  readonly source: Source;
  /** Devices that were met, and of which nobody knows what they are. */
  readonly strangers: ReadonlySet<string>;
  /** When devices were listed, where the instance's state says so. */
  readonly registeredAt: ReadonlyMap<string, number>;
}

export async function openRecorded(
  { config, directory }: Pick<Loaded, 'config' | 'directory'>,
  range: TimeRange,
  from: 'history' | 'journal',
): Promise<Recorded> {
  const strangers = new Set<string>();
  const known = knownDevices(config.data);
  const registeredAt = new Map<string, number>();
  for (const [id, device] of known ?? []) if (device.registeredAt !== null) registeredAt.set(id, device.registeredAt);
  if (from === 'journal') return { source: journalSource(join(config.data, 'journal.db'), range), strangers, registeredAt };
  if (!config.roles.includes('history')) {
    throw new TocsinError('this instance keeps no history', {
      place: `${config.path}: roles`,
      hint: '--journal has what was taken in of late',
    });
  }
  const { history } = config;
  const stored = history.kind === 'sqlite' ? { url: 'sqlite:', keepMs: history.keepMs } : { influx: history.url, tags: history.tags };
  const reader = await openSeriesReader(stored, { dataDirectory: config.data, clock: systemClock });
  const resolver = deviceResolver(directory, known ?? new Map(), (id) => known === null && strangers.add(id));
  return { source: historySource(reader, { range, deviceOf: resolver }), strangers, registeredAt };
}

/** Null where the instance's state cannot be read: the fleet file, and what the history itself knows, must do then. */
export function knownDevices(data: string): ReadonlyMap<string, KnownDevice> | null {
  try {
    return readKnownDevices(join(data, 'state.db'));
  } catch (error) {
    if (error instanceof TocsinError) return null;
    throw error;
  }
}
