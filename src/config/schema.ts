/** The form of tocsin.yaml, key by key. What needs a look at several keys at once is in config.ts. */
import * as z from 'zod';
import { count, duration, flag, refuse, size, strictObject } from '../std/form.ts';
import { type Listener, type ListenUrl, parseListenUrl } from './listener.ts';

export const ROLES = ['ingest', 'alerting', 'notifying', 'history', 'web'] as const;
export type Role = (typeof ROLES)[number];

/** The largest packet that MQTT can describe. */
const PACKET_BYTES_MAX = 268_435_455;
const NOT_YET = 'not supported yet';

const later = (hint: string) =>
  z.unknown().transform((value, context): undefined => (value === undefined ? undefined : refuse(context, NOT_YET, hint)));

/** A list; a single text stands for a list of one. */
const listeners = z.unknown().transform((value, context): readonly Listener[] => {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) return refuse(context, 'at least one address to listen on is needed', 'for example mqtt://127.0.0.1:1883');
  return list.map((text, index): Listener => {
    const at = Array.isArray(value) ? [index] : [];
    const url = typeof text === 'string' ? parseListenUrl(text, ['mqtt', 'ws', 'mqtts', 'wss']) : 'expected text';
    if (typeof url === 'string') return refuse(context, url, 'for example mqtt://127.0.0.1:1883 or ws://127.0.0.1:9001', at);
    if (url.scheme === 'mqtt' || url.scheme === 'ws') return { ...url, scheme: url.scheme };
    return refuse(context, `${url.scheme}: ${NOT_YET}`, 'until then put a TLS proxy in front, such as stunnel, nginx or HAProxy', at);
  });
});

const httpListen = z.unknown().transform((value, context): ListenUrl => {
  const url = typeof value === 'string' ? parseListenUrl(value, ['http', 'https']) : 'expected text';
  if (typeof url === 'string') return refuse(context, url, 'for example http://127.0.0.1:8080');
  if (url.scheme === 'https') return refuse(context, `https: ${NOT_YET}`, 'until then put a reverse proxy with TLS in front');
  return url;
});

/** Messages name the key only: such a URL may hold a password. */
const url = (schemes: readonly string[], example: string) =>
  z.unknown().transform((value, context): string => {
    if (typeof value === 'string' && URL.canParse(value)) {
      const parsed = new URL(value);
      if (schemes.includes(parsed.protocol.slice(0, -1)) && parsed.hostname !== '') return value;
    }
    return refuse(
      context,
      `expected a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
      `for example ${example}`,
    );
  });

const influx = url(['http', 'https'], 'http://user:password@127.0.0.1:8086/tocsin').transform((value, context) => {
  if (/^\/[^/]+\/?$/.test(new URL(value).pathname)) return value;
  return refuse(context, 'the path of the URL names the database', 'for example http://127.0.0.1:8086/tocsin');
});

const storage = (others: Readonly<Record<string, string>>) =>
  z.unknown().transform((value, context): string => {
    if (value === 'sqlite:') return value;
    const scheme = typeof value === 'string' ? (/^([a-z]+):/.exec(value)?.[1] ?? '') : '';
    const hint = others[scheme];
    return hint === undefined
      ? refuse(context, 'expected sqlite:', 'it is kept below data:')
      : refuse(context, `${scheme}: ${NOT_YET}`, hint);
  });

const PACKET_BYTES = 262_144;
const limits = strictObject({
  packetBytes: size()
    .default(PACKET_BYTES)
    .transform((bytes) => (bytes === 0 ? PACKET_BYTES_MAX : Math.min(bytes, PACKET_BYTES_MAX))),
  connections: count().default(10_000),
  connectionsPerAddress: count().default(0),
  messagesPerSecond: count().default(0),
  sessions: count().default(20_000),
  retained: count().default(50_000),
  devices: count().default(100_000),
  metricsPerDevice: count().default(500),
});

const journalElsewhere = 'the embedded journal is sqlite:';
export const schema = strictObject({
  data: z.string().min(1, 'expected a folder').default('../data'),
  mqtt: strictObject({
    listeners: listeners.default([
      { scheme: 'mqtt', host: '127.0.0.1', port: 1883 },
      { scheme: 'ws', host: '127.0.0.1', port: 9001 },
    ]),
    anonymous: flag().optional(),
    tls: later('mqtts:// and wss:// come in a later version').optional(),
    limits: limits.prefault({}),
  }).prefault({}),
  http: strictObject({
    listen: httpListen.default({ scheme: 'http', host: '127.0.0.1', port: 8080 }),
    publicUrl: url(['http', 'https'], 'https://tocsin.example.org').optional(),
  }).prefault({}),
  journal: strictObject({
    url: storage({
      kafka: journalElsewhere,
      amqp: journalElsewhere,
      amqps: journalElsewhere,
      redis: journalElsewhere,
      rediss: journalElsewhere,
    }).default('sqlite:'),
    maxBytes: size().default(10e9),
    keep: duration().default(7 * 86_400_000),
    reserve: size().default(256e6),
  }).prefault({}),
  history: strictObject({
    url: storage({ http: 'for InfluxDB write {influx: "http://…"} instead of url' }).optional(),
    keep: duration().optional(),
    influx: influx.optional(),
    tags: z.array(z.string().min(1, 'expected the name of a label')).optional(),
  }).prefault({}),
  quarantine: strictObject({ maxBytes: size().default(256e6) }).prefault({}),
  email: strictObject({
    smtp: url(['smtp', 'smtps'], 'smtp://user:password@mail.example.org:587').optional(),
    from: z
      .string()
      .regex(/^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$/, 'expected an address, such as Tocsin <tocsin@example.org>')
      .default('Tocsin <tocsin@localhost>'),
  }).prefault({}),
  devices: z.string().min(1, 'expected a folder').default('../devices'),
  rules: z.string().min(1, 'expected a folder').default('./rules'),
  notify: z.string().min(1, 'expected a file').default('./notify.yaml'),
  roles: z.array(z.enum(ROLES)).default([...ROLES]),
  consumers: z
    .unknown()
    .transform((value, context): undefined =>
      value === undefined || value === null || (Array.isArray(value) && value.length === 0)
        ? undefined
        : refuse(context, `modules of your own: ${NOT_YET}`, 'leave the list empty'),
    )
    .optional(),
  watch: flag().default(false),
});

export type Form = z.output<typeof schema>;
