/** A real InfluxDB on the same cores, with a new database for every run, or the reason why there is none. */
import { stopOnSignal } from '../load/server.ts';
import { startInflux } from '../services/influx.ts';

export type InfluxForBench =
  | { readonly freshUrl: () => Promise<string>; readonly stop: () => Promise<void> }
  /** Why there is none. */
  | { readonly skipped: string };

export async function influxForBench(): Promise<InfluxForBench> {
  const influx = await startInflux();
  if (!influx.available) return { skipped: influx.reason };
  const server = influx.value;
  stopOnSignal(() => Promise.resolve(server[Symbol.asyncDispose]()));
  let runs = 0;
  return {
    async freshUrl() {
      // What the run before wrote would be compacted on the cores of this one.
      if (runs > 0) await dropDatabase(server.databaseUrl(`tocsin_bench_${runs}`));
      runs += 1;
      return server.databaseUrl(`tocsin_bench_${runs}`);
    },
    async stop() {
      if (runs > 0) await dropDatabase(server.databaseUrl(`tocsin_bench_${runs}`));
      await server[Symbol.asyncDispose]();
    },
  };
}

async function dropDatabase(databaseUrl: string): Promise<void> {
  const url = new URL(databaseUrl);
  const database = decodeURIComponent(url.pathname.slice(1));
  const headers =
    url.username === '' ? {} : { authorization: `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}` };
  const query = new URL('/query', url.origin);
  query.searchParams.set('q', `DROP DATABASE "${database}"`);
  const response = await fetch(query, { method: 'POST', headers });
  if (!response.ok) throw new Error(`InfluxDB did not drop ${database}: ${response.status} ${await response.text()}`);
}
