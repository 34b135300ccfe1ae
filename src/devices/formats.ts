/** The formats that are built in, by name. Plain `json` and `scalar` are the decoder's own. */
import { cayenneLpp } from './decoders/cayenne-lpp.ts';
import { chirpstack } from './decoders/chirpstack.ts';
import type { Format } from './decoders/format.ts';
import { homeassistant } from './decoders/homeassistant.ts';
import { module } from './decoders/module.ts';
import { ttn } from './decoders/ttn.ts';

/** Sorted by name. */
export const FORMATS: readonly Format[] = [cayenneLpp, chirpstack, homeassistant, module, ttn];

/** A user's own decoder; a profile names its file, not the format. */
export const MODULE: Format = module;

/** The format of topics that are known from a discovery message alone. */
export const DISCOVERY: Format = homeassistant;

/** @throws Error when there is none: profiles are checked before */
export function formatNamed(name: string): Format {
  const format = FORMATS.find((one) => one.name === name);
  if (format === undefined) throw new Error(`a profile with the format ${name} passed its check`);
  return format;
}
