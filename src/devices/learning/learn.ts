/** What is being published → a proposal of profiles, each of which holds (`parseProfile` says so). Pure. */
import { createDecoder, type Decoder } from '../decode.ts';
import { payloadText } from '../decoders/scalar.ts';
import { freeScalar } from '../decoders/value.ts';
import { parseProfile } from '../profile.ts';
import type { Heard } from './heard.ts';
import { type Kind, kindsOf } from './kinds.ts';
import { observe } from './observing.ts';
import { draftText, profileText, typeOf } from './proposing.ts';
import { timeFieldOf } from './time-field.ts';

export interface Proposal {
  /** A profile file. */
  readonly text: string;
  readonly name: string;
  readonly messages: number;
  readonly devices: number;
  /** MQTT filters that hear no more than it. */
  readonly filters: readonly string[];
  /** What was not taken of its messages, by reason. */
  readonly refused: ReadonlyMap<string, number>;
}

export interface Learnt {
  /** Those most was heard of come first. */
  readonly proposals: readonly Proposal[];
  /** Topics that discovery messages bind: devices that need no profile. */
  readonly discovered: readonly string[];
  /** Topics whose payloads nothing reads that a profile could not name. */
  readonly unreadable: readonly string[];
}

/** Kinds that are worked out; the rest is for a narrower filter. */
const KINDS_MAX = 20;

/** @param options.name of the first profile; null: by its topics  @param options.zone IANA, of whoever asks */
export function learn(heard: readonly Heard[], options: { readonly name: string | null; readonly zone: string }): Learnt {
  const taught = taughtBy(heard);
  const { kinds, discovered, unreadable } = kindsOf(heard, taught.learned);
  const taken = new Set<string>();
  const proposals = kinds.slice(0, KINDS_MAX).flatMap((kind) => {
    const name = nameOf(kind, taken.size === 0 ? options.name : null, taken);
    const proposal = propose(kind, { name, zone: options.zone, taught });
    if (proposal === null) return [];
    taken.add(name);
    return [proposal];
  });
  return { proposals, discovered, unreadable };
}

/** What discovery messages and the like say, wherever they stand among the others. */
function taughtBy(heard: readonly Heard[]): Decoder {
  const decoder = createDecoder({ profiles: [], fleet: [], groups: [], unknown: 'accept' }, { devices: 0, metricsPerDevice: 0 });
  for (const { topic, payload, receivedAt } of heard) {
    const route = decoder.route(topic);
    if (route !== null) decoder.decode(route, payload, receivedAt);
  }
  return decoder;
}

/** Null: nothing in it is a reading. */
function propose(kind: Kind, { name, zone, taught }: { name: string; zone: string; taught: Decoder }): Proposal | null {
  const time = kind.decode === 'json' ? timeFieldOf(kind.heard, zone) : null;
  const draft = { name, kind, time };
  const observed = observe(kind, draftText(draft, scalarTypeOf(kind)), taught);
  if (observed.metrics.size === 0) return null;
  const text = profileText(draft, observed);
  const { parsed, problems } = parseProfile({ path: 'learned', text });
  if (parsed === null)
    throw new Error(`a profile was proposed that does not hold: ${problems.map((problem) => problem.render()).join('; ')}\n${text}`);
  const { devices, refused } = observed;
  return { text, name, messages: kind.heard.length, devices: devices.size, filters: kind.filters, refused };
}

/** What the values are whose profile must say so before one is read. */
function scalarTypeOf({ heard }: Kind): 'number' | 'boolean' | 'text' {
  const counts = { number: 0, boolean: 0, text: 0 };
  const texts = new Set<string>();
  for (const { payload } of heard) {
    const value = freeScalar((payloadText(payload) ?? '').trim());
    if (typeof value === 'number') counts.number += 1;
    else if (typeof value === 'boolean') counts.boolean += 1;
    else if (typeof value === 'string') {
      counts.text += 1;
      texts.add(value);
    }
  }
  return typeOf({ counts, texts }) ?? 'text';
}

const NAME_LENGTH_MAX = 60;

/** By the format, or by the words in its topics; of two the later one is numbered. */
function nameOf({ decode, topics }: Kind, given: string | null, taken: ReadonlySet<string>): string {
  if (given !== null) return given;
  const words = (topics[0] ?? '').split('/').filter((level) => /^[A-Za-z][\w.-]*$/.test(level));
  const wanted = decode === 'json' || decode === 'scalar' ? (words.join('-') || 'device').slice(0, NAME_LENGTH_MAX) : decode;
  // Taken by Tocsin itself.
  const base = ['readings', 'tocsin'].includes(wanted) ? `${wanted}-device` : wanted;
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(name)) return name;
  }
}
