import { bytesOf, type Corpus, type Row } from './corpus.ts';
import { ruuviName } from './ruuvi-gateway.ts';

/** The vectors are what stands inside an advertisement: they go to the decoder as a gateway would send them. */
export const ruuviRawv2Vectors: Corpus = {
  file: 'ruuvi-rawv2-vectors',
  topicOf: ({ expect }) => `ruuvi/gateway/${expect[0]?.device ?? 'tag'}`,
  payloadOf: (row) => Buffer.from(JSON.stringify({ data: advertisementOf(row) })),
  nameOf: (expected) => ({ metric: ruuviName(expected) }),
};

function advertisementOf(row: Row): string {
  const text = (row.payload ?? '').replace(/^0x/i, '');
  const hex = /^[0-9a-f]+$/i.test(text) ? text : Buffer.from(bytesOf(row)).toString('hex');
  const length = (hex.length / 2 + 3).toString(16).padStart(2, '0');
  return /ff9904/i.test(hex) ? hex : `020106${length}ff9904${hex}`;
}
