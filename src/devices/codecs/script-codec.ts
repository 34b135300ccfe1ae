/**
 * A codec in the sandbox as the decoder asks it: frame in, what it says or a refusal out. One that takes too long again and again
 * is not asked for a minute, so that it stalls nobody: what comes meanwhile is quarantined, and can be replayed once it is mended.
 */
import type { Clock } from '../../std/clock.ts';
import type { Codec, Part } from '../decoders/format.ts';
import { isObject, type JsonObject, parseJson } from '../decoders/json.ts';
import { Refusal } from '../decoders/value.ts';
import { CALL_MAX_MS, type Sandboxed } from './sandbox.ts';

/** A frame that took too long weighs as much as ten that did not; three in a row, and it is suspended. */
const STRIKE = 10;
const STRIKES_MAX = 3 * STRIKE;
const SUSPENDED_MS = 60_000;
const BYTES_MAX = 65_536;
const READINGS_MAX = 1000;
const MESSAGE_LENGTH_MAX = 500;

export function scriptCodec(path: string, sandboxed: Sandboxed, clock: Clock): Codec {
  let strikes = 0;
  let suspendedUntilMs = Number.NEGATIVE_INFINITY;

  return (frame) => {
    const nowMs = clock.monotonicMs();
    if (nowMs < suspendedUntilMs) {
      const seconds = Math.ceil((suspendedUntilMs - nowMs) / 1000);
      return new Refusal('codec-suspended', `${path} took too long again and again, and is not asked for ${seconds} s`);
    }
    if (frame.bytes.length > BYTES_MAX)
      return new Refusal('too-long', `${frame.bytes.length} bytes; a codec is given ${BYTES_MAX} at most`);
    const answer = sandboxed.ask(frame);
    if (answer.kind === 'gone') return new Refusal('codec-suspended', 'the sandbox is being started again, after a codec broke it');
    if (answer.kind === 'timeout' || answer.isLate) {
      strikes += STRIKE;
      if (strikes >= STRIKES_MAX) {
        suspendedUntilMs = clock.monotonicMs() + SUSPENDED_MS;
        // Once more too long after that, and it is suspended again.
        strikes = STRIKES_MAX - STRIKE;
      }
    } else strikes = Math.max(0, strikes - 1);
    if (answer.kind === 'timeout') return new Refusal('codec-timeout', `${path} took longer than ${CALL_MAX_MS} ms`);
    return answer.kind === 'error' ? refusal(path, answer.message) : partsOf(path, answer.json);
  };
}

const refusal = (path: string, message: string): Refusal => new Refusal('codec-error', `${path}: ${message}`.slice(0, MESSAGE_LENGTH_MAX));

function partsOf(path: string, json: string): readonly Part[] | Refusal {
  const result = parseJson(json, 'double');
  if (!isObject(result)) return refusal(path, 'it returns no object');
  const errors = Array.isArray(result.errors) ? result.errors : [];
  if (errors.length > 0) return refusal(path, errors.map(String).join('; '));
  const { data } = result;
  if (data === undefined) return refusal(path, 'it returns no `data`');
  if (data === null) return [];
  if (isObject(data)) return [{ device: null, values: data }];
  if (!Array.isArray(data) || !data.every(isObject)) return refusal(path, '`data` is neither an object nor a list of objects');
  if (data.length > READINGS_MAX) return new Refusal('too-many-values', `${path}: ${data.length} readings; at most ${READINGS_MAX}`);
  return data.map(partOf);
}

/** One of a list: of its own device and time, where it says so. */
function partOf({ device, time, ...values }: JsonObject): Part {
  const id = typeof device === 'string' || typeof device === 'number' ? String(device) : null;
  return { device: id, at: time, values };
}
