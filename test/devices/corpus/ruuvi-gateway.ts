import type { Corpus, Expected } from './corpus.ts';

export const ruuviGateway: Corpus = { file: 'ruuvi-gateway', nameOf: (expected) => ({ metric: ruuviName(expected) }) };

/** The published decoders spell the same names in several ways (`acceleration_x`, `accelerationX`); ours are those of Ruuvi Gateway. */
export function ruuviName({ metric }: Expected): string {
  const plain = metric.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return SPELLINGS.get(plain) ?? metric;
}

const SPELLINGS: ReadonlyMap<string, string> = new Map([
  ...['x', 'y', 'z'].flatMap((axis) => [
    [`acceleration${axis}`, `accel${axis.toUpperCase()}`] as const,
    [`accel${axis}`, `accel${axis.toUpperCase()}`] as const,
    [`acc${axis}`, `accel${axis.toUpperCase()}`] as const,
  ]),
  ['battery', 'voltage'],
  ['batteryvoltage', 'voltage'],
  ['voltage', 'voltage'],
  ['txpower', 'txPower'],
  ['movementcounter', 'movementCounter'],
  ['movement', 'movementCounter'],
  ['measurementsequence', 'measurementSequenceNumber'],
  ['measurementsequencenumber', 'measurementSequenceNumber'],
  ['sequence', 'measurementSequenceNumber'],
  ['sequencenumber', 'measurementSequenceNumber'],
  ['pm1', 'PM1.0'],
  ['pm1p0', 'PM1.0'],
  ['pm25', 'PM2.5'],
  ['pm2p5', 'PM2.5'],
  ['pm4', 'PM4.0'],
  ['pm4p0', 'PM4.0'],
  ['pm10p0', 'PM10.0'],
  ['co2', 'CO2'],
  ['voc', 'VOC'],
  ['nox', 'NOx'],
]);
