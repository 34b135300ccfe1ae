/**
 * The history as a source. It does not know when a reading reached us: each counts as received at its own time, so that
 * what came late then is in its place here. A device is what the configuration and the instance's own state say it is.
 */
import type { DeviceDirectory } from '../../domain/device.ts';
import type { DeviceRef, Reading } from '../../domain/reading.ts';
import type { DeviceOf, RecordedDevice, SeriesReader } from '../../history/series-reader.ts';
import type { Source, SourceBatch, TimeRange } from './source.ts';

export function historySource(reader: SeriesReader, options: { readonly range: TimeRange; readonly deviceOf: DeviceOf }): Source {
  const { range, deviceOf } = options;
  let reached = range.from;
  async function* batches(): AsyncGenerator<SourceBatch> {
    for await (const readings of reader.scan(range, deviceOf)) {
      reached = endOf(readings) ?? reached;
      yield { readings, positions: null };
    }
  }
  return {
    name: 'the history',
    journalId: null,
    batches: batches(),
    fraction: () => (reached - range.from) / (range.to - range.from),
    [Symbol.asyncDispose]: async () => reader.close(),
  };
}

const endOf = (readings: readonly Reading[]): number | undefined => readings.at(-1)?.at;

/**
 * The fleet file says what it says; the rest is as it was when the device last spoke, or when this was recorded.
 * @param known what the instance remembers of devices, by id @param onStranger told of a device that nothing is known of
 */
export function deviceResolver(
  directory: DeviceDirectory,
  known: ReadonlyMap<string, RecordedDevice>,
  onStranger: (id: string) => void = () => undefined,
): DeviceOf {
  const fleet = new Map(directory.fleet.map((device) => [device.id, device]));
  return (id, recorded): DeviceRef => {
    const listed = fleet.get(id);
    const seen = known.get(id) ?? recorded;
    if (listed === undefined && seen === null) onStranger(id);
    return { id, profile: listed?.profile ?? seen?.profile ?? null, labels: { ...recorded?.labels, ...seen?.labels, ...listed?.labels } };
  };
}
