/** 32-bit FNV-1a: to recognise a retransmission, never to secure anything. */

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

export function hashBytes(bytes: Uint8Array, seed = OFFSET): number {
  let hash = seed;
  for (let index = 0; index < bytes.length; index++) hash = Math.imul(hash ^ (bytes[index] as number), PRIME);
  return hash >>> 0;
}

export function hashText(text: string, seed = OFFSET): number {
  let hash = seed;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), PRIME);
  return hash >>> 0;
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

export function hashNumber(value: number, seed: number): number {
  double[0] = value;
  const hash = Math.imul(seed ^ (words[0] as number), PRIME);
  return Math.imul(hash ^ (words[1] as number), PRIME) >>> 0;
}
