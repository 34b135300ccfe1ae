/**
 * What a profile says under `decode`: a format by its name; a format and the codec for the bytes inside its messages; or a module of the
 * user's own for whole messages.
 */
import * as z from 'zod';
import { hintFor, refuse } from '../std/form.ts';
import { written } from '../std/json-schema.ts';
import { BUILT_IN_CODECS } from './codecs/codecs.ts';
import { FORMATS, MODULE } from './formats.ts';

export interface DecodeChoice {
  readonly format: string;
  /** Null: none. A `file` is still to be read. */
  readonly codec: { readonly kind: 'built-in'; readonly name: string } | { readonly kind: 'file'; readonly path: string } | null;
  /** The key that names the codec. */
  readonly key: 'codec' | 'module';
}

const FORMAT_NAMES = ['json', 'scalar', ...FORMATS.filter((format) => format !== MODULE).map(({ name }) => name)];
const CODED_NAMES = FORMATS.filter((format) => format !== MODULE && format.takesCodec === true).map(({ name }) => name);
const CODEC_NAMES = [...BUILT_IN_CODECS.keys()];
const SCRIPT = '^\\./|^\\.\\./|\\.[cm]?[jt]s$';

export const decodeForm = written(
  z.unknown().transform((value, context): DecodeChoice => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { format: formatOf(value, context, []), codec: null, key: 'codec' };
    const given = new Map<string, unknown>(Object.entries(value));
    const known = given.has('module') ? ['module'] : ['format', 'codec'];
    for (const key of given.keys()) {
      if (!known.includes(key))
        return refuse(context, `unknown key ${JSON.stringify(key)}`, hintFor(key, ['format', 'codec', 'module']), [key]);
    }
    if (given.has('module')) return { format: MODULE.name, codec: fileOf(given.get('module'), context, 'module'), key: 'module' };
    const format = formatOf(given.get('format'), context, ['format']);
    if (!given.has('codec')) return { format, codec: null, key: 'codec' };
    const codec = given.get('codec');
    if (!CODED_NAMES.includes(format)) {
      const hint = `formats that have them: ${CODED_NAMES.join(', ')}; a decoder for whole messages is {module: ./file.js}`;
      return refuse(context, `there are no bytes for a codec inside ${format}`, hint, ['codec']);
    }
    const name = CODEC_NAMES.find((builtIn) => builtIn === codec);
    return { format, codec: name === undefined ? fileOf(codec, context, 'codec') : { kind: 'built-in', name }, key: 'codec' };
  }),
  {
    anyOf: [
      { enum: FORMAT_NAMES },
      {
        type: 'object',
        required: ['format'],
        additionalProperties: false,
        properties: {
          format: { enum: FORMAT_NAMES, description: 'The format of the message around it.' },
          codec: {
            anyOf: [{ enum: CODEC_NAMES }, { type: 'string', pattern: SCRIPT }],
            description: 'Reads the bytes inside the message: a built-in codec, or a file as vendors publish it (decodeUplink).',
          },
        },
      },
      {
        type: 'object',
        required: ['module'],
        additionalProperties: false,
        properties: {
          module: { type: 'string', pattern: SCRIPT, description: 'A file of your own that reads whole messages (decodeUplink).' },
        },
      },
    ],
    examples: [
      'json',
      { format: 'ttn', codec: 'cayenne-lpp' },
      { format: 'chirpstack', codec: './codecs/em500-co2.js' },
      { module: './my-decoder.js' },
    ],
  },
  (choice) => (typeof choice === 'object' && choice !== null && 'format' in choice ? choice.format : choice),
);

function formatOf(value: unknown, context: z.core.$RefinementCtx<unknown>, path: PropertyKey[]): string {
  return (
    FORMAT_NAMES.find((known) => known === value) ?? refuse(context, 'no such format', `built in are ${FORMAT_NAMES.join(', ')}`, path)
  );
}

function fileOf(value: unknown, context: z.core.$RefinementCtx<unknown>, key: string): DecodeChoice['codec'] {
  if (typeof value === 'string' && new RegExp(SCRIPT).test(value)) return { kind: 'file', path: value };
  const hint = key === 'codec' ? `built in: ${CODEC_NAMES.join(', ')}; a file of your own begins with ./` : 'for example ./my-decoder.js';
  return refuse(context, key === 'codec' ? 'no such codec' : 'expected the path of a file', hint, [key]);
}
