import type { Corpus, Row } from './corpus.ts';

/** The water meter publishes on a topic of its own, and only its owner knows what it counts in. */
const METER = 'topic: "EnergyMeter/#"\ndecode: influx\nmetrics: {main/value: {unit: m³}}';

export const influxLineProtocol: Corpus = {
  file: 'influx-line-protocol',
  profileOf: ({ topic }) => (topic?.startsWith('EnergyMeter/') ? METER : null),
  nameOf: (expected, row) => ({ device: deviceOf(expected.device, row) }),
};

/**
 * Where the corpus names a device by its series: we go by the tag that names the device, if there is one, and leave the escapes of comma
 * and equals sign, which keep two series apart.
 */
function deviceOf(device: string, { payload }: Row): string {
  const tag = /,(?:device|device_id|sensor|sensor_id)=([^,]+)/.exec(device)?.[1];
  if (tag !== undefined && !device.includes(',host=')) return tag;
  const keys = (payload ?? '').split('\n').map((line) => (/^(?:\\.|[^ \\])*/.exec(line)?.[0] ?? '').replaceAll('\\ ', ' '));
  return keys.find((key) => key.replace(/\\([,=])/g, '$1') === device) ?? device;
}
