/** Chooses and opens the series store that the configuration names. The InfluxDB client is loaded only where it is used. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../sqlite/database.ts';
import type { Clock } from '../std/clock.ts';
import { TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { SeriesReader } from './series-reader.ts';
import type { SeriesStore } from './series-store.ts';
import { SqliteSeriesReader } from './sqlite-series-reader.ts';
import { SqliteSeriesStore } from './sqlite-series-store.ts';

export type SeriesStoreConfig =
  | { readonly url: string; readonly keepMs: number | null }
  | { readonly influx: string; readonly tags: readonly string[] };

const HISTORY_FILE = 'history.db';

export async function openSeriesStore(
  config: SeriesStoreConfig,
  options: { readonly dataDirectory: string; readonly clock: Clock; readonly logger: Logger },
): Promise<SeriesStore> {
  const { dataDirectory, clock, logger } = options;
  await mkdir(dataDirectory, { recursive: true });
  if ('influx' in config) {
    const { parseInfluxUrl } = await import('./influx-connection.ts');
    const { InfluxSeriesStore } = await import('./influx-series-store.ts');
    const url = parseInfluxUrl(config.influx);
    return new InfluxSeriesStore({ url, tags: config.tags, cursors: openDatabase(join(dataDirectory, 'history-cursor.db')), clock });
  }
  if (config.url !== 'sqlite:') {
    throw new TocsinError(`no history of this kind: ${JSON.stringify(config.url)}`, {
      place: 'history.url',
      hint: 'write `url: "sqlite:"`, or `influx: http://user:password@host:8086/database`',
    });
  }
  return new SqliteSeriesStore({ path: join(dataDirectory, HISTORY_FILE), keepMs: config.keepMs, clock, logger });
}

/** What `openSeriesStore` writes, to be read beside it. Nothing is written, made or migrated. */
export async function openSeriesReader(
  config: SeriesStoreConfig,
  options: { readonly dataDirectory: string; readonly clock: Clock },
): Promise<SeriesReader> {
  if (!('influx' in config)) return new SqliteSeriesReader(join(options.dataDirectory, HISTORY_FILE));
  const { InfluxConnection, parseInfluxUrl } = await import('./influx-connection.ts');
  const { InfluxSeriesReader } = await import('./influx-series-reader.ts');
  return new InfluxSeriesReader(new InfluxConnection(parseInfluxUrl(config.influx), options.clock));
}
