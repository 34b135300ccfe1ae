/** The form of tocsin.yaml, key by key. What needs a look at several keys at once is in config.ts. */
import * as z from 'zod';
import { count, duration, flag, refuse, size, strictObject } from '../std/form.ts';
import { written } from '../std/json-schema.ts';
import { type Listener, type ListenUrl, parseListenUrl } from './listener.ts';
import { heartbeat, self } from './self-schema.ts';

export const ROLES = ['ingest', 'alerting', 'notifying', 'history', 'web'] as const;
export type Role = (typeof ROLES)[number];

/** The largest packet that MQTT can describe. */
const PACKET_BYTES_MAX = 268_435_455;
const NOT_YET = 'not supported yet';

const CLIENT_CERT = ['off', 'optional', 'required'] as const;
const LISTENER_JSON = { type: 'string', pattern: '^(?:mqtt|ws)s?://' };
const LISTENER_SCHEMES = z.enum(['mqtt', 'mqtts', 'ws', 'wss']);
/** A default as people write it. */
const showUrl = (value: unknown): unknown => {
  const url = z.object({ scheme: z.string(), host: z.string(), port: z.number() }).safeParse(value);
  return url.success ? `${url.data.scheme}://${url.data.host}:${url.data.port}` : value;
};

/** A list; a single text stands for a list of one. */
const listeners = written(
  z.unknown().transform((value, context): readonly Listener[] => {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0) return refuse(context, 'at least one address to listen on is needed', 'for example mqtt://127.0.0.1:1883');
    return list.map((text, index): Listener => {
      const at = Array.isArray(value) ? [index] : [];
      const url = typeof text === 'string' ? parseListenUrl(text, ['mqtt', 'mqtts', 'ws', 'wss']) : 'expected text';
      if (typeof url === 'string') return refuse(context, url, 'for example mqtt://127.0.0.1:1883 or ws://127.0.0.1:9001', at);
      return { ...url, scheme: LISTENER_SCHEMES.parse(url.scheme) };
    });
  }),
  {
    anyOf: [LISTENER_JSON, { type: 'array', items: LISTENER_JSON, minItems: 1 }],
    examples: [['mqtt://127.0.0.1:1883', 'ws://127.0.0.1:9001']],
  },
  (value) => (Array.isArray(value) ? value.map(showUrl) : value),
);

const httpListen = written(
  z.unknown().transform((value, context): ListenUrl => {
    const url = typeof value === 'string' ? parseListenUrl(value, ['http', 'https']) : 'expected text';
    if (typeof url === 'string') return refuse(context, url, 'for example http://127.0.0.1:8080');
    if (url.scheme === 'https') return refuse(context, `https: ${NOT_YET}`, 'until then put a reverse proxy with TLS in front');
    return url;
  }),
  { type: 'string', pattern: '^http://' },
  showUrl,
);

/** Messages name the key only: such a URL may hold a password. */
const url = (schemes: readonly string[], example: string) =>
  written(
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
    }),
    { type: 'string', pattern: `^(?:${schemes.join('|')})://`, examples: [example] },
  );

const influx = url(['http', 'https'], 'http://user:password@127.0.0.1:8086/tocsin').transform((value, context) => {
  if (/^\/[^/]+\/?$/.test(new URL(value).pathname)) return value;
  return refuse(context, 'the path of the URL names the database', 'for example http://127.0.0.1:8086/tocsin');
});

const storage = (others: Readonly<Record<string, string>>) =>
  written(
    z.unknown().transform((value, context): string => {
      if (value === 'sqlite:') return value;
      const scheme = typeof value === 'string' ? (/^([a-z]+):/.exec(value)?.[1] ?? '') : '';
      const hint = others[scheme];
      return hint === undefined
        ? refuse(context, 'expected sqlite:', 'it is kept below data:')
        : refuse(context, `${scheme}: ${NOT_YET}`, hint);
    }),
    { const: 'sqlite:' },
  );

const PACKET_BYTES = 262_144;
const limits = strictObject({
  packetBytes: size()
    .default(PACKET_BYTES)
    .transform((bytes) => (bytes === 0 ? PACKET_BYTES_MAX : Math.min(bytes, PACKET_BYTES_MAX)))
    .describe('The largest packet; 0 is what MQTT can describe, 256 MiB.'),
  connections: count().default(10_000).describe('Connections at once; 0 is no limit.'),
  connectionsPerAddress: count().default(0).describe('Connections at once from one address; 0 is no limit.'),
  messagesPerSecond: count().default(0).describe('Messages of one client a second, beyond which it is read more slowly; 0 is no limit.'),
  sessions: count().default(20_000).describe('Persistent sessions; 0 is no limit.'),
  retained: count().default(50_000).describe('Retained messages; 0 is no limit.'),
  devices: count().default(100_000).describe('Devices that may be known; 0 is no limit.'),
  metricsPerDevice: count().default(500).describe('Metrics of one device; 0 is no limit.'),
});

const file = () => z.string().min(1, 'expected a file');
const tls = strictObject(
  {
    cert: file().describe('The certificate, in PEM, with those between it and the root; like every file here relative to this one.'),
    key: file().describe('Its private key, in PEM, without a passphrase.'),
    ca: file().optional().describe('The certificate of the authority that vouches for client certificates.'),
    clientCert: written(
      z.unknown().transform((value, context) => {
        if (value === false) return 'off';
        const mode = z.enum(CLIENT_CERT).safeParse(value);
        return mode.success ? mode.data : refuse(context, `expected one of ${CLIENT_CERT.join(', ')}`);
      }),
      { enum: [...CLIENT_CERT, false] },
    )
      .optional()
      .describe(
        'Whether clients show a certificate: off, which is the default; optional: who does is known by the name in it; required: nobody else connects.',
      ),
  },
  'say which certificate: {cert: …, key: …}',
);

const mqtt = strictObject({
  listeners: listeners
    .default([
      { scheme: 'mqtt', host: '127.0.0.1', port: 1883 },
      { scheme: 'ws', host: '127.0.0.1', port: 9001 },
    ])
    .describe('Where to listen: mqtt://host:port and ws://host:port, with TLS mqtts:// and wss://; port 0 takes a free one.'),
  anonymous: flag()
    .optional()
    .describe(
      'Whether clients without a user name may connect, and do anything. Left out: only while every listener is on this machine only.',
    ),
  tls: tls.optional().describe('For mqtts:// and wss://. TLS 1.2 and later; a new certificate is taken up without a restart.'),
  limits: limits.prefault({}).describe('What clients may take.'),
});

const http = strictObject({
  listen: httpListen
    .default({ scheme: 'http', host: '127.0.0.1', port: 8080 })
    .describe('Where page and API are served, on this machine only for now; port 0 takes a free one.'),
  publicUrl: url(['http', 'https'], 'https://tocsin.example.org')
    .optional()
    .describe('What links in mails begin with. Left out, there are none.'),
});

const journalElsewhere = 'the embedded journal is sqlite:';
const journal = strictObject({
  url: storage({
    kafka: journalElsewhere,
    amqp: journalElsewhere,
    amqps: journalElsewhere,
    redis: journalElsewhere,
    rediss: journalElsewhere,
  })
    .default('sqlite:')
    .describe('sqlite: is a file below data.'),
  maxBytes: size().default(10e9).describe('Disk that the journal may take; beyond it nothing is acknowledged.'),
  keep: duration()
    .default(7 * 86_400_000)
    .describe('How long it keeps what every consumer has read.'),
  reserve: size().default(256e6).describe('Free space that must stay on the disk.'),
});

const history = strictObject({
  url: storage({ http: 'for InfluxDB write {influx: "http://…"} instead of url' }).optional().describe('sqlite: is files below data.'),
  keep: duration().optional().describe('How long the embedded history keeps readings; InfluxDB has a retention policy. Left out, 400d.'),
  influx: influx.optional().describe('InfluxDB instead: user, password and database in the URL.'),
  tags: z
    .array(z.string().min(1, 'expected the name of a label'))
    .optional()
    .describe('Labels that become InfluxDB’s tags.')
    .meta({
      examples: [['site']],
    }),
});

const email = strictObject({
  smtp: url(['smtp', 'smtps'], 'smtp://user:password@mail.example.org:587')
    .optional()
    .describe('The mail server. Left out, mails are .eml files in data/mail.'),
  from: z
    .string()
    .regex(/^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$/, 'expected an address, such as Tocsin <tocsin@example.org>')
    .default('Tocsin <tocsin@localhost>')
    .describe('The sender.'),
});

const alerting = strictObject({
  startGrace: duration()
    .default(2 * 60_000)
    .describe('How long after a start no silence of a device raises anything: devices need time to come back.'),
  dependencyGrace: duration()
    .default(30_000)
    .describe('How much later the silence of a device with dependsOn is told, so that its gateway’s is known first.'),
});

const folder = (standard: string) => z.string().min(1, 'expected a folder').default(standard);

export const schema = strictObject({
  data: folder('../data').describe('Folder of everything that Tocsin writes; like every folder and file here relative to this file.'),
  mqtt: mqtt.prefault({}).describe('Where devices publish.'),
  http: http.prefault({}).describe('Page and API.'),
  journal: journal.prefault({}).describe('Every reading, in order, before it is acknowledged.'),
  history: history.prefault({}).describe('Where readings are kept for later.'),
  quarantine: strictObject({ maxBytes: size().default(256e6).describe('What it may take; beyond it the oldest goes.') })
    .prefault({})
    .describe('Messages that could not be read.'),
  email: email.prefault({}).describe('How mails are sent.'),
  alerting: alerting.prefault({}).describe('What holds for all rules.'),
  self: self.describe('How often Tocsin makes a reading of itself, by which it alerts about itself; off: never.'),
  heartbeat: heartbeat.optional().describe('Tells somebody outside that Tocsin lives, while its own readings are evaluated.'),
  credentials: z
    .string()
    .min(1, 'expected a file')
    .default('./credentials.yaml')
    .describe('File of who may connect; it need not be there. tocsin device and tocsin user write it.'),
  devices: folder('../devices').describe('Folder of profiles/*.yaml and fleet.yaml.'),
  rules: folder('./rules').describe('Folder of rule files, *.yaml.'),
  notify: z.string().min(1, 'expected a file').default('./notify.yaml').describe('File of contacts and routes.'),
  watch: flag().default(false).describe('Whether changes of rules, devices and notify are applied as soon as their files change.'),
  roles: z
    .array(z.enum(ROLES))
    .default([...ROLES])
    .describe('Which parts run in this process: all of them for now; history may be left out.'),
  consumers: written(
    z
      .unknown()
      .transform((value, context): undefined =>
        value === undefined || value === null || (Array.isArray(value) && value.length === 0)
          ? undefined
          : refuse(context, `modules of your own: ${NOT_YET}`, 'leave the list empty'),
      ),
    { type: ['array', 'null'], maxItems: 0 },
  )
    .optional()
    .describe('Modules of your own: not supported yet.'),
});

export type Form = z.output<typeof schema>;
