/** Compressed payloads, where the profile says that they are: never guessed at. What they may grow to is bounded. */
import { gunzipSync } from 'node:zlib';
import { messageOf } from '../../std/errors.ts';
import { Refusal } from './value.ts';

const INFLATED_BYTES_MAX = 1024 * 1024;

export function gunzip(payload: Uint8Array): Uint8Array | Refusal {
  try {
    return gunzipSync(payload, { maxOutputLength: INFLATED_BYTES_MAX });
  } catch (error) {
    const isTooLarge = error instanceof RangeError;
    return new Refusal('invalid-gzip', isTooLarge ? `more than ${INFLATED_BYTES_MAX} bytes when inflated` : messageOf(error));
  }
}
