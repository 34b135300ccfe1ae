/**
 * A user's own decoder for whole messages: `decode: {module: ./my-decoder.js}`. It is asked as a codec for LoRaWAN frames is, by
 * `decodeUplink({bytes, recvTime, topic, …})`, and gives `data`: an object of values, or a list of readings, each an object of values
 * that may have a `device` and a `time`.
 */
import type { Format } from './format.ts';
import { Refusal } from './value.ts';

export const module: Format = {
  name: 'module',
  topics: [],
  namesDevices: true,
  takesCodec: true,
  bearsTime: true,
  read({ payload, codec, receivedAt, topic }) {
    if (codec === null) return new Refusal('codec-error', 'the profile names no module');
    return codec({ bytes: payload, port: null, receivedAt, topic });
  },
};
