/**
 * One channel as people write it in notify.yaml: one key says of which kind it is and where it leads, the others belong to that
 * kind. No problem repeats what was written where that may be a secret: a URL, a token, the options of a module.
 *
 *     {email: name@example.org}
 *     {webhook: "https://…", secret: …, allowPrivate: true}
 *     {slack: "https://hooks.slack.com/services/…"}     {teams: "https://…"}     also with allowPrivate
 *     {ntfy: "https://ntfy.sh/my-topic", token: …}      also with allowPrivate
 *     {mqtt: tocsin/messages/night, retain: true}
 *     {module: ./my-channel.ts, options: {…}}           relative to the folder of notify.yaml
 */
import { existsSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type * as z from 'zod';
import type { Channel, ChannelKind } from '../../domain/notification.ts';
import { nearest, refuse } from '../../std/form.ts';
import { addressProblem } from './address.ts';
import { ntfyAddress } from './ntfy.ts';
import { addressOf, isPublicAddress } from './public-address.ts';

type Context = z.core.$RefinementCtx<unknown>;

/** The keys of each kind; its own name stands first. */
const KEYS: Readonly<Record<ChannelKind, readonly string[]>> = {
  email: ['email'],
  webhook: ['webhook', 'secret', 'allowPrivate'],
  slack: ['slack', 'allowPrivate'],
  teams: ['teams', 'allowPrivate'],
  ntfy: ['ntfy', 'token', 'allowPrivate'],
  mqtt: ['mqtt', 'retain'],
  module: ['module', 'options'],
};
const isKind = (key: string): key is ChannelKind => Object.hasOwn(KEYS, key);
const KINDS = Object.keys(KEYS).filter(isKind);
const EXAMPLE = `write {email: name@example.org}; or one of ${KINDS.slice(1).join(', ')}`;

const SECRET_LENGTH_MIN = 8;
const TOPIC_LENGTH_MAX = 200;
const OWN_TOPICS = ['tocsin/alerts', 'tocsin/status'];
const NTFY_TOPIC = /^[-_A-Za-z0-9]{1,64}$/;
const MODULE_SUFFIXES = ['.ts', '.mts', '.js', '.mjs'];

/** One channel's fields while they are checked. */
interface Given {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly context: Context;
  readonly at: readonly PropertyKey[];
}

/**
 * @param at where it stands below what `context` checks
 * @param folder of notify.yaml
 * @returns null when it does not hold: the problems are in the context
 */
export function parseChannel(value: unknown, context: Context, at: readonly PropertyKey[], folder: string): Channel | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(context, 'expected a channel', EXAMPLE, [...at]);
    return null;
  }
  const given: Given = { fields: { ...value }, context, at };
  const kind = kindOf(given);
  if (kind === null || !hasKnownKeys(given, kind)) return null;
  switch (kind) {
    case 'email':
      return emailOf(given);
    case 'mqtt':
      return mqttOf(given);
    case 'module':
      return moduleOf(given, folder);
    default:
      return postedOf(given, kind);
  }
}

function problem({ context, at }: Given, key: string | null, message: string, hint?: string): null {
  refuse(context, message, hint, key === null ? [...at] : [...at, key]);
  return null;
}

function kindOf(given: Given): ChannelKind | null {
  const keys = Object.keys(given.fields);
  const [kind, other] = keys.filter(isKind);
  if (kind !== undefined && other !== undefined)
    return problem(given, other, `${kind} and ${other} are two channels`, `write two: [{${kind}: …}, {${other}: …}]`);
  if (kind !== undefined) return kind;
  const near = keys.map((key) => [key, nearest(key, KINDS)] as const).find(([, candidate]) => candidate !== undefined);
  if (near !== undefined) return problem(given, near[0], 'unknown key', `did you mean ${near[1]}?`);
  return problem(given, null, 'expected a channel', EXAMPLE);
}

function hasKnownKeys(given: Given, kind: ChannelKind): boolean {
  const known = KEYS[kind];
  const unknown = Object.keys(given.fields).filter((key) => !known.includes(key));
  for (const key of unknown) {
    const near = nearest(key, known);
    problem(given, key, 'unknown key', near === undefined ? `known here: ${known.join(', ')}` : `did you mean ${near}?`);
  }
  return unknown.length === 0;
}

function emailOf(given: Given): Channel | null {
  const { email } = given.fields;
  const wrong = addressProblem(email);
  if (wrong !== null) return problem(given, 'email', wrong.message, wrong.hint);
  return typeof email === 'string' ? { kind: 'email', address: email } : null;
}

function postedOf(given: Given, kind: 'webhook' | 'slack' | 'teams' | 'ntfy'): Channel | null {
  const allowPrivate = flagOf(given, 'allowPrivate');
  const url = urlOf(given, kind);
  const secret = kind === 'webhook' ? textOf(given, 'secret', SECRET_LENGTH_MIN) : null;
  const token = kind === 'ntfy' ? textOf(given, 'token', 1) : null;
  if (allowPrivate === undefined || url === undefined || secret === undefined || token === undefined) return null;
  if (!allowPrivate && isPrivate(url)) {
    const hint = 'write allowPrivate: true beside it, if that is meant';
    return problem(given, kind, 'the URL leads to an address of this machine or of a private network', hint);
  }
  const common = { address: url.host, url: url.href, allowPrivate };
  if (kind === 'webhook') return { kind, ...common, secret };
  if (kind !== 'ntfy') return { kind, ...common };
  const { topic } = ntfyAddress(url.href);
  if (NTFY_TOPIC.test(topic) && url.search === '') return { kind, ...common, address: `${url.host}/${topic}`, token };
  return problem(given, kind, 'the URL does not end with a topic', 'write it like https://ntfy.sh/my-topic; letters, digits, - _');
}

const URL_EXAMPLES = {
  webhook: 'https://hooks.example.org/tocsin',
  slack: 'https://hooks.slack.com/services/…',
  teams: 'https://….logic.azure.com/workflows/…',
  ntfy: 'https://ntfy.sh/my-topic',
};

/** Never repeats it. Undefined: it does not hold. */
function urlOf(given: Given, key: keyof typeof URL_EXAMPLES): URL | undefined {
  const text = given.fields[key];
  const hint = `write it like ${URL_EXAMPLES[key]}`;
  const wrong = (message: string): undefined => void problem(given, key, message, hint);
  if (typeof text !== 'string' || text === '') return wrong('expected a URL');
  if (text.includes('${'))
    return void problem(given, key, 'the URL holds a variable that was not replaced', 'is it set in the environment?');
  const url = URL.canParse(text) && !/[\p{Cc}\s]/u.test(text) ? new URL(text) : null;
  if (url === null) return wrong('this is no URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return wrong('the URL begins with neither https:// nor http://');
  return url;
}

/** As far as can be seen without asking the DNS; what a name resolves to is looked at when something is sent. */
function isPrivate(url: URL): boolean {
  const address = addressOf(url);
  return address === null ? /^(?:.+\.)?localhost\.?$/.test(url.hostname) : !isPublicAddress(address);
}

function mqttOf(given: Given): Channel | null {
  const topic = given.fields.mqtt;
  const retain = flagOf(given, 'retain');
  const hint = 'write it like tocsin/messages/night';
  if (typeof topic !== 'string' || topic === '') return problem(given, 'mqtt', 'expected an MQTT topic', hint);
  if (/[+#]/.test(topic)) return problem(given, 'mqtt', 'the topic holds a + or a #, which stand for several', hint);
  if (/\p{Cc}|\p{Cs}/u.test(topic)) return problem(given, 'mqtt', 'the topic holds a control character', hint);
  if (topic.length > TOPIC_LENGTH_MAX) return problem(given, 'mqtt', `the topic is longer than ${TOPIC_LENGTH_MAX} characters`, hint);
  if (!/^tocsin\/./.test(topic)) return problem(given, 'mqtt', 'the topic is not below tocsin/', hint);
  const own = OWN_TOPICS.find((taken) => topic === taken || topic.startsWith(`${taken}/`));
  if (own !== undefined) return problem(given, 'mqtt', `${own} is where Tocsin publishes other things`, hint);
  return retain === undefined ? null : { kind: 'mqtt', address: topic, retain };
}

function moduleOf(given: Given, folder: string): Channel | null {
  const { module: path, options = {} } = given.fields;
  const hint = 'write the path of a file, relative to the folder of notify.yaml: ./my-channel.ts';
  if (typeof path !== 'string' || path === '') return problem(given, 'module', 'expected the path of a module', hint);
  if (!MODULE_SUFFIXES.includes(extname(path)))
    return problem(given, 'module', `a module is a file that ends with one of ${MODULE_SUFFIXES.join(' ')}`, hint);
  const absolute = resolve(folder, path);
  if (!existsSync(absolute)) return problem(given, 'module', `there is no file ${JSON.stringify(absolute)}`, hint);
  if (!isRecord(options)) return problem(given, 'options', 'expected a mapping', 'such as {number: "+49…"}');
  return { kind: 'module', address: path, path: absolute, options };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** False when it is left out; undefined: it does not hold. */
function flagOf(given: Given, key: string): boolean | undefined {
  const value = given.fields[key] ?? false;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  return void problem(given, key, 'expected true or false');
}

/** Null when it is left out; undefined: it does not hold. It goes into a header, or into a key. */
function textOf(given: Given, key: string, lengthMin: number): string | null | undefined {
  const value = given.fields[key] ?? null;
  if (value === null) return null;
  if (typeof value !== 'string')
    return void problem(given, key, 'expected text', typeof value === 'number' ? 'put it in quotes' : undefined);
  if (value.includes('${')) return void problem(given, key, 'it holds a variable that was not replaced', 'is it set in the environment?');
  if (/[^\x20-\x7e]/.test(value) || value.trim() !== value)
    return void problem(given, key, 'expected printable ASCII on one line', 'is there a line break or a space at its end?');
  if (value.length < lengthMin)
    return void problem(given, key, `expected at least ${lengthMin} characters`, 'make one with: openssl rand -hex 32');
  return value;
}

const URL_JSON = { type: 'string', pattern: '^https?://' };
const FLAG_JSON = { enum: [true, false, 'true', 'false'] };
const PRIVATE_JSON = { ...FLAG_JSON, description: 'true: addresses of private networks and of this machine are allowed.' };
const channelJson = (kind: ChannelKind, properties: Readonly<Record<string, unknown>>) => ({
  type: 'object',
  properties,
  required: [kind],
  additionalProperties: false,
});

/** Of one channel, for editors. */
export const CHANNEL_JSON = {
  anyOf: [
    channelJson('email', { email: { type: 'string', description: 'One address.', examples: ['name@example.org'] } }),
    channelJson('webhook', {
      webhook: { ...URL_JSON, description: 'Messages are posted to it as JSON.', examples: [URL_EXAMPLES.webhook] },
      secret: { type: 'string', minLength: SECRET_LENGTH_MIN, description: 'Signs the messages: HMAC-SHA256, in X-Tocsin-Signature.' },
      allowPrivate: PRIVATE_JSON,
    }),
    channelJson('slack', {
      slack: {
        ...URL_JSON,
        description: 'An incoming webhook of Slack, or of what takes the same: Mattermost, Rocket.Chat, Discord (…/slack).',
      },
      allowPrivate: PRIVATE_JSON,
    }),
    channelJson('teams', {
      teams: { ...URL_JSON, description: 'A webhook that the app Workflows made in Microsoft Teams.' },
      allowPrivate: PRIVATE_JSON,
    }),
    channelJson('ntfy', {
      ntfy: { ...URL_JSON, description: 'The server with the topic.', examples: [URL_EXAMPLES.ntfy] },
      token: { type: 'string', minLength: 1, description: 'Access token of the server.' },
      allowPrivate: PRIVATE_JSON,
    }),
    channelJson('mqtt', {
      mqtt: {
        type: 'string',
        pattern: '^tocsin/(?!(?:alerts|status)(?:/|$))[^+#]+$',
        description: 'A topic below tocsin/, published by the broker of Tocsin.',
        examples: ['tocsin/messages/night'],
      },
      retain: { ...FLAG_JSON, description: 'true: who subscribes later gets the last message.' },
    }),
    channelJson('module', {
      module: {
        type: 'string',
        pattern: '\\.m?[tj]s$',
        description: 'A file whose default export makes a channel of your own; relative to this file.',
        examples: ['./my-channel.ts'],
      },
      options: { type: 'object', description: 'Handed to the module.' },
    }),
  ],
};
