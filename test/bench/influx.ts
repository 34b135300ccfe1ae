/** A real InfluxDB on the same cores, with a new database for every run, or the reason why there is none. */
export type InfluxForBench =
  | { readonly url: string; readonly freshUrl: () => Promise<string>; readonly stop: () => Promise<void> }
  | { readonly skipped: string };

export async function influxForBench(): Promise<InfluxForBench> {
  return { skipped: 'test/services/influx.ts is not there yet' };
}
