import { decode } from 'cborg';
import { bytesOf, type Corpus, type Expected, type Row } from './corpus.ts';

export const senmlJson: Corpus = { file: 'senml-json', nameOf };
export const senmlCbor: Corpus = { file: 'senml-cbor', topicOf, nameOf };

/** CBOR has topics of its own. */
function topicOf({ topic, id }: Row): string {
  return topic?.startsWith('senml-cbor/') ? topic : `senml-cbor/${topic?.split('/').at(-1) ?? id}`;
}

/** The corpus calls device and metric alike, by the whole resolved name. */
function nameOf({ metric: name, unit, value }: Expected, row: Row): { device: string; metric: string } {
  const byUnit = typeof value === 'number' ? (unit ?? 'value') : 'value';
  const bases = baseNamesOf(row).filter((base) => base !== '' && name.startsWith(base));
  const base = bases.sort((a, b) => b.length - a.length)[0];
  if (base !== undefined) return { device: base.replace(/[:/._-]$/, ''), metric: name.slice(base.length) || byUnit };
  if (name.startsWith('urn:')) return { device: name, metric: byUnit };
  return { device: row.topic?.split('/')[1] ?? '', metric: name };
}

function baseNamesOf(row: Row): string[] {
  if (row.payloadBase64 === undefined) return [...(row.payload ?? '').matchAll(/"bn"\s*:\s*"([^"]*)"/g)].map(([, base]) => base ?? '');
  const pack: unknown = decode(bytesOf(row), { useMaps: true });
  return Array.isArray(pack) ? pack.flatMap((record) => (record instanceof Map && record.has(-2) ? [String(record.get(-2))] : [])) : [];
}
