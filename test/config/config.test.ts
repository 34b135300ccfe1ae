// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Config, type ConfigSource, loadConfig } from '../../src/config.ts';
import { InvalidConfig } from '../../src/std/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'tocsin-config-'));
const path = join(folder, 'tocsin.yaml');

function load(text: string, options: Partial<Pick<ConfigSource, 'set' | 'env'>> = {}): Config {
  writeFileSync(path, text);
  return loadConfig({ path, set: options.set ?? [], env: options.env ?? {} });
}

/** Problems as `line:column message | hint`, or `--set key message | hint`. */
function problems(text: string, options: Partial<Pick<ConfigSource, 'set' | 'env'>> = {}): string[] {
  try {
    load(text, options);
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error;
    return error.problems.map(
      ({ place, message, hint }) => `${place?.replace(`${path}:`, '')} ${message}${hint === undefined ? '' : ` | ${hint}`}`,
    );
  }
  return [];
}

describe('the config', () => {
  it('of an empty file is the defaults, closed to other machines', () => {
    const config = load('');
    expect(config.mqtt.listeners).toEqual([
      { scheme: 'mqtt', host: '127.0.0.1', port: 1883 },
      { scheme: 'ws', host: '127.0.0.1', port: 9001 },
    ]);
    expect(config.mqtt.anonymous).toBe(true);
    expect(config.http).toEqual({ host: '127.0.0.1', port: 8080, publicUrl: null });
    expect(config.history).toEqual({ kind: 'sqlite', keepMs: 400 * 86_400_000 });
    expect(config.journal).toEqual({ bytesMax: 10e9, keepMs: 7 * 86_400_000, reserveBytes: 256e6 });
    expect(config.mqtt.limits).toMatchObject({ packetBytes: 262_144, connections: 10_000, devices: 100_000, metricsPerDevice: 500 });
    expect(config.email).toEqual({ smtp: null, from: 'Tocsin <tocsin@localhost>' });
    expect(config.alerting).toEqual({ startGraceMs: 120_000, dependencyGraceMs: 30_000 });
    expect(config.watch).toBe(false);
  });

  it('reads graces, none among them, and the watch over files', () => {
    const config = load('alerting: {startGrace: 0, dependencyGrace: 1m}\nwatch: true');
    expect(config.alerting).toEqual({ startGraceMs: 0, dependencyGraceMs: 60_000 });
    expect(config.watch).toBe(true);
  });

  it('as shipped is the defaults', () => {
    const { path: _shippedPath, ...shipped } = loadConfig({ path: 'config/tocsin.yaml', set: [], env: {} });
    const { path: _defaultPath, data, credentials: _credentials, devices, rules, notify, ...defaults } = load('');
    expect(shipped).toMatchObject(defaults);
    expect([data, devices, rules, notify]).toEqual([
      join(folder, '../data'),
      join(folder, '../devices'),
      join(folder, 'rules'),
      join(folder, 'notify.yaml'),
    ]);
  });

  it('is frozen plain data, which threads can be handed', () => {
    const config = load('email: {smtp: "smtp://u:p@mail.example.org"}');
    expect(structuredClone(config)).toEqual(config);
    expect(Object.isFrozen(config.mqtt.limits)).toBe(true);
    expect(Object.isFrozen(config.mqtt.listeners[0])).toBe(true);
  });

  it('takes folders relative to the file', () => {
    expect(load('data: ./here').data).toBe(join(folder, 'here'));
    expect(load('data: /var/lib/tocsin').data).toBe('/var/lib/tocsin');
  });

  it('reads listeners of both kinds, IPv6 and a free port', () => {
    const { listeners } = load('mqtt: {listeners: ["mqtt://[::1]:0", "ws://localhost", "mqtt://127.0.0.1"]}').mqtt;
    expect(listeners).toEqual([
      { scheme: 'mqtt', host: '::1', port: 0 },
      { scheme: 'ws', host: 'localhost', port: 80 },
      { scheme: 'mqtt', host: '127.0.0.1', port: 1883 },
    ]);
  });

  it.each([
    ['mqtt: {listeners: ["mqtt://127.0.0.1:1883", "ws://localhost:9001"]}', true],
    ['mqtt: {listeners: ["mqtt://127.0.0.1:1883", "mqtt://0.0.0.0:1884"]}', false],
    ['mqtt: {listeners: ["mqtt://0.0.0.0:1883"], anonymous: true}', true],
    ['mqtt: {anonymous: false}', false],
  ])('lets clients without a name in on loopback only, unless it is written: %s', (text, expected) => {
    expect(load(text).mqtt.anonymous).toBe(expected);
  });

  it('reads TLS, its files relative to the config', () => {
    const tls = (more: string) =>
      load(`mqtt: {listeners: ["mqtts://127.0.0.1", "wss://127.0.0.1:9002"], tls: {cert: a.pem, key: /k.pem${more}}}`).mqtt;
    expect(tls('')).toMatchObject({ tls: { cert: join(folder, 'a.pem'), key: '/k.pem', ca: null, clientCert: 'off' } });
    expect(tls('').listeners.map(({ scheme, port }) => [scheme, port])).toEqual([
      ['mqtts', 8883],
      ['wss', 9002],
    ]);
    expect(tls(', ca: ca.pem, clientCert: required').tls).toMatchObject({ ca: join(folder, 'ca.pem'), clientCert: 'required' });
    expect(tls(', clientCert: off').tls?.clientCert).toBe('off');
  });

  it('reads InfluxDB with credentials and tags', () => {
    const config = load('history: {influx: "http://u:p@db:8086/tocsin", tags: [site]}');
    expect(config.history).toEqual({ kind: 'influx', url: 'http://u:p@db:8086/tocsin', tags: ['site'] });
  });

  it('turns a packet limit that is off into the largest packet there is', () => {
    expect(load('mqtt: {limits: {packetBytes: 0}}').mqtt.limits.packetBytes).toBe(268_435_455);
  });
});

describe('references', () => {
  it('are replaced by the environment and by files, a line break at the end left out', () => {
    writeFileSync(join(folder, 'secret'), 'pa$$word\n');
    const text = 'email: {smtp: "smtp://user:${file:secret}@${HOST}:25"}';
    expect(load(text, { env: { HOST: 'mail.example.org' } }).email.smtp).toBe('smtp://user:pa$$word@mail.example.org:25');
  });

  it('give numbers where numbers belong', () => {
    expect(load('mqtt: {limits: {connections: "${MAX}"}}', { env: { MAX: '12' } }).mqtt.limits.connections).toBe(12);
  });

  it('are left alone when escaped', () => {
    expect(load('data: "/x/$${NAME}"').data).toBe('/x/${NAME}');
  });

  it('put in never show in an error', () => {
    const env = { SMTP: 'not-a-url-but-secret', PORT: 'secret-port', INFLUX: 'ftp://user:secret@host/' };
    const text =
      'email: {smtp: "${SMTP}"}\nhttp: {listen: "http://x:${PORT}"}\nhistory: {influx: "${INFLUX}"}\njournal: {keep: "${SMTP}"}\nroles: ["${SMTP}"]';
    const found = problems(text, { env });
    expect(found).toHaveLength(5);
    expect(found.join('\n')).not.toContain('secret');
  });

  it.each([
    ['data: ${NOPE}', '1:7 the environment variable NOPE is not set | export NOPE=…, or write $${ for a literal ${'],
    ['mqtt:\n  listeners: ["mqtt://${A-B}:1"]', '2:15 ${A-B} is no reference | write ${NAME} or ${file:/path}; $${ for a literal ${'],
    ['data: "${file:/nope/x}"', '1:7 the file /nope/x cannot be read (ENOENT) | is it there, and may this user read it?'],
  ])('that lead nowhere are named: %s', (text, expected) => {
    expect(problems(text)).toEqual([expected]);
  });
});

describe('--set', () => {
  it('overrides, adds, and takes lists and URLs as they are', () => {
    const set = [
      'mqtt.listeners=["mqtt://127.0.0.1:0"]',
      'http.listen=http://127.0.0.1:0',
      'history.url=sqlite:',
      'mqtt.limits.devices=7',
      'data=/tmp/x',
      'data=/tmp/y',
    ];
    const config = load('mqtt: {limits: {devices: 5, sessions: 6}}', { set });
    expect(config.mqtt.listeners).toEqual([{ scheme: 'mqtt', host: '127.0.0.1', port: 0 }]);
    expect(config.mqtt.limits).toMatchObject({ devices: 7, sessions: 6 });
    expect(config.http.port).toBe(0);
    expect(config.data).toBe('/tmp/y');
  });

  it.each([
    ['mqtt.lisen=x', '--set mqtt.lisen unknown key "lisen" | known here: listeners, anonymous, tls, limits'],
    ['mqtt.listener=x', '--set mqtt.listener unknown key "listener" | did you mean listeners?'],
    ['journal.keep=7x', '--set journal.keep keep: expected a duration | write a number with a unit: 500ms, 30s, 10m, 1h30m, 7d'],
    ['nonsense', '--set expected key=value | for example --set data=/var/lib/tocsin'],
    ['a..b=1', '--set expected key=value | for example --set data=/var/lib/tocsin'],
    ['__proto__.x=1', '--set expected key=value | for example --set data=/var/lib/tocsin'],
  ])('of something wrong is named by its key: %s', (set, expected) => {
    expect(problems('', { set: [set] })).toEqual([expected]);
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });
});

describe('a mistake is shown where it stands', () => {
  it.each([
    ['an unknown key', 'data: x\njurnal: {}\n', '2:1 unknown key "jurnal" | did you mean journal?'],
    ['an unknown key inside', 'journal:\n  url: "sqlite:"\n  maxByte: 10GB\n', '3:3 unknown key "maxByte" | did you mean maxBytes?'],
    ['a size that is none', 'journal: {maxBytes: lots}', '1:21 maxBytes: expected a size | write a number with a unit: 64KB, 256MB, 10GB'],
    ['a number that is none', 'mqtt:\n  limits:\n    devices: -1', '3:14 devices: expected a whole number, 0 or more'],
    ['a list for a mapping', 'http: []', '1:7 http: expected a mapping, found a list'],
    ['a number for text', 'data: 5', '1:7 data: expected text, found a number | put it in quotes'],
    [
      'an unknown scheme',
      'mqtt: {listeners: ["tcp://127.0.0.1:1883"]}',
      '1:20 expected mqtt:// or mqtts:// or ws:// or wss://, a host and a port | for example mqtt://127.0.0.1:1883 or ws://127.0.0.1:9001',
    ],
    [
      'a listener with a password',
      'mqtt: {listeners: ["mqtt://u:p@127.0.0.1:1883"]}',
      '1:20 an address to listen on has no user and password | for example mqtt://127.0.0.1:1883 or ws://127.0.0.1:9001',
    ],
    [
      'TLS without a certificate',
      'mqtt: {listeners: ["mqtt://127.0.0.1:1", "mqtts://127.0.0.1:8883"]}',
      '1:42 a listener with TLS needs a certificate | add tls: {cert: …, key: …} under mqtt',
    ],
    [
      'a certificate that nobody shows',
      'mqtt: {tls: {cert: x, key: y}}',
      '1:13 no listener uses it | listen on mqtts://host:8883 or wss://host:port',
    ],
    ['half of TLS', 'mqtt: {listeners: "mqtts://127.0.0.1", tls: {cert: x}}', '1:45 key is missing'],
    [
      'client certificates that nobody vouches for',
      'mqtt: {listeners: "mqtts://127.0.0.1", tls: {cert: x, key: y, clientCert: optional}}',
      '1:75 nobody vouches for client certificates | add ca: the certificate of the authority that has signed them',
    ],
    [
      'client certificates of a kind that there is not',
      'mqtt: {listeners: "mqtts://127.0.0.1", tls: {cert: x, key: y, clientCert: must}}',
      '1:75 clientCert: expected one of off, optional, required',
    ],
    ['another journal', 'journal: {url: "kafka://b:9092"}', '1:16 url: kafka: not supported yet | the embedded journal is sqlite:'],
    ['modules', 'consumers: [{id: x}]', '1:12 consumers: modules of your own: not supported yet | leave the list empty'],
    ['a switch that is none', 'watch: sometimes', '1:8 watch: expected true or false'],
    [
      'a grace that is none',
      'alerting: {startGrace: 2}',
      '1:24 startGrace: expected a duration | write a number with a unit: 500ms, 30s, 10m, 1h30m, 7d',
    ],
    [
      'an unknown role',
      'roles: [ingest, alertin]',
      '1:17 expected one of ingest, alerting, notifying, history, web | did you mean alerting?',
    ],
    [
      'some of the roles',
      'roles: [ingest]',
      '1:8 a part of the roles, or one twice: not supported yet | all of them in one process: [ingest, alerting, notifying, history, web]; history may be left out',
    ],
    [
      'an SMTP URL that is none',
      'email: {smtp: mail.example.org}',
      '1:15 smtp: expected a URL that begins with smtp:// or smtps:// | for example smtp://user:password@mail.example.org:587',
    ],
    [
      'a sender with a line break',
      'email: {from: "a@b\\r\\nBcc: c@d"}',
      '1:15 from: expected an address, such as Tocsin <tocsin@example.org>',
    ],
    [
      'InfluxDB without a database',
      'history: {influx: "http://db:8086"}',
      '1:19 influx: the path of the URL names the database | for example http://127.0.0.1:8086/tocsin',
    ],
    [
      'both histories',
      'history: {url: "sqlite:", influx: "http://db:8086/x"}',
      '1:16 url and influx exclude each other | keep one of them',
    ],
    ['a key twice', 'data: a\ndata: b', '2:1 Map keys must be unique'],
    ['two documents', 'data: a\n---\ndata: b', '3:1 a second YAML document begins here | one document a file: split it'],
  ])('%s', (_name, text, expected) => {
    expect(problems(text)).toEqual([expected]);
  });

  it('several at once', () => {
    const found = problems('jurnal: {}\nmqtt: {limits: {devices: x}}\nhttp: {listen: 5}\n');
    expect(found.map((problem) => problem.split(' ')[0])).toEqual(expect.arrayContaining(['1:1', '2:26', '3:16']));
  });

  it('a page that others can reach', () => {
    expect(problems('http: {listen: "http://0.0.0.0:8080"}')).toEqual([
      expect.stringMatching(/^1:16 others can reach this address.*--network host/),
    ]);
  });

  it('a file that is not there', () => {
    expect(() => loadConfig({ path: join(folder, 'nope.yaml'), set: [], env: {} })).toThrow(
      /nope\.yaml: cannot read the config.*\nhint: name the file/s,
    );
  });
});
