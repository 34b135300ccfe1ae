/** Every kind of channel under the same contract. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import pino from 'pino';
import type { Channel, DeliveryOutcome } from '../../../src/domain/notification.ts';
import { createEmailNotifier } from '../../../src/notify/channels/email.ts';
import { createHttpPost, type HttpPost } from '../../../src/notify/channels/http-post.ts';
import { createModuleNotifier } from '../../../src/notify/channels/module.ts';
import { createMqttNotifier, type Publish } from '../../../src/notify/channels/mqtt.ts';
import type { Notifier } from '../../../src/notify/channels/notifier.ts';
import { createNtfyNotifier } from '../../../src/notify/channels/ntfy.ts';
import { createSlackNotifier } from '../../../src/notify/channels/slack.ts';
import { smtpSettings } from '../../../src/notify/channels/smtp-settings.ts';
import { createTeamsNotifier } from '../../../src/notify/channels/teams.ts';
import { createWebhookNotifier } from '../../../src/notify/channels/webhook.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { type Contract, notifierContract } from './contract.ts';
import { ANSWERS, type AnswerName, startHttpPeer } from './http-peer.ts';
import { messageTo, newSecret, sampleMessage } from './message.ts';
import { type Behaviour, startSmtp } from './smtp.ts';

const retryable = { outcome: 'retryable' } as const;
const refused = { outcome: 'permanent', isMendable: false } as const;
const mendable = { outcome: 'permanent', isMendable: true } as const;

const HTTP_OUTCOMES: readonly (readonly [AnswerName, Partial<DeliveryOutcome>])[] = [
  ['created', { outcome: 'delivered' }],
  ['accept without a body', { outcome: 'delivered' }],
  ['drop in the middle of a yes', { outcome: 'delivered' }],
  ['say yes at endless length', { outcome: 'delivered' }],
  ['redirect for now', mendable],
  ['redirect for good', mendable],
  ['bad request', refused],
  ['too large', refused],
  ['unauthorised', mendable],
  ['forbidden', mendable],
  ['not found', mendable],
  ['gone', mendable],
  ['timeout', retryable],
  ['too early', retryable],
  ['too many', { ...retryable, afterMs: 7000 }],
  ['too many, for days', { ...retryable, afterMs: 3_600_000 }],
  ['broken', retryable],
  ['not there now', retryable],
  ['stall', retryable],
  ['drop', retryable],
  ['drop in the middle of the head', retryable],
  ['drop in the middle of a refusal', retryable],
  ['trickle the head', retryable],
  ['trickle a refusal', retryable],
  ['speak another language', retryable],
];

const timeouts = { connectMs: 1000, wholeMs: 600, answerMs: 300 };

function overHttp(options: {
  /** `secret` is to be in it. */
  readonly channel: (origin: string, secret: string) => Channel;
  readonly create: (http: HttpPost) => Notifier;
}): Contract<AnswerName> {
  return {
    accept: 'accept',
    stall: 'stall',
    outcomes: HTTP_OUTCOMES,
    async start(answer) {
      const peer = await startHttpPeer(ANSWERS[answer]);
      const secret = newSecret();
      return {
        notifier: options.create(createHttpPost({ clock, version: '1.2.3', timeouts })),
        message: messageTo(options.channel(peer.origin, secret)),
        taken: () => peer.posted.map(({ body }) => body),
        open: peer.open,
        secrets: [secret, Buffer.from(secret).toString('base64'), '/elsewhere'],
        [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
      };
    },
  };
}

const address = '127.0.0.1';
notifierContract(
  'a webhook',
  overHttp({
    channel: (origin, secret) => ({
      kind: 'webhook',
      address,
      url: `${origin.replace('//', `//me:p${secret}@`)}/in/${secret}?key=${secret}&x=y`,
      secret: `s${secret}`,
      allowPrivate: true,
    }),
    create: (http) => createWebhookNotifier({ http, clock }),
  }),
);
notifierContract(
  'Slack',
  overHttp({
    channel: (origin, secret) => ({ kind: 'slack', address, url: `${origin}/services/T0/B0/${secret}`, allowPrivate: true }),
    create: (http) => createSlackNotifier({ http }),
  }),
);
notifierContract(
  'Teams',
  overHttp({
    channel: (origin, secret) => ({
      kind: 'teams',
      address,
      url: `${origin}/workflows/${secret}/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sig=${secret}`,
      allowPrivate: true,
    }),
    create: (http) => createTeamsNotifier({ http }),
  }),
);
notifierContract(
  'ntfy',
  overHttp({
    channel: (origin, secret) => ({ kind: 'ntfy', address, url: `${origin}/night`, token: `tk_${secret}`, allowPrivate: true }),
    create: (http) => createNtfyNotifier({ http }),
  }),
);

/** What a user may write: no more than posts a line, and says what came of it. */
const MODULE = `
import { request } from 'node:http';
export default (options) => ({
  send: (message, signal) =>
    new Promise((resolve) => {
      const asked = request(options.url, { method: 'POST', agent: false, signal }, (response) => {
        const { statusCode } = response;
        response.resume();
        response.on('close', () => asked.destroy());
        resolve(statusCode < 300 ? { outcome: 'delivered', detail: 'taken' } : { outcome: 'retryable', detail: 'answered ' + statusCode + ' to ' + options.url });
      });
      asked.on('error', (error) => resolve({ outcome: 'retryable', detail: options.nested.token + error.message }));
      asked.end(message.id + ' ' + message.subject);
    }),
  close: async () => undefined,
});
`;
notifierContract<AnswerName>('a module', {
  accept: 'accept',
  stall: 'stall',
  outcomes: [
    ['broken', retryable],
    ['drop', retryable],
    ['speak another language', retryable],
  ],
  async start(answer) {
    const peer = await startHttpPeer(ANSWERS[answer]);
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-module-'));
    const path = join(folder, 'channel.mjs');
    writeFileSync(path, MODULE);
    const secret = newSecret();
    const options = { url: `${peer.origin}/${secret}`, nested: { token: `t${secret}` } };
    return {
      notifier: createModuleNotifier({ clock, logger: pino({ level: 'silent' }), timeouts: { sendMs: 600, closeMs: 500 } }),
      message: messageTo({ kind: 'module', address: './channel.mjs', path, options }),
      taken: () => peer.posted.map(({ body }) => body),
      open: peer.open,
      secrets: [secret],
      async [Symbol.asyncDispose]() {
        await peer[Symbol.asyncDispose]();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});

type MqttBehaviour = 'accept' | 'stall' | 'refuse';
notifierContract<MqttBehaviour>('MQTT', {
  accept: 'accept',
  stall: 'stall',
  outcomes: [['refuse', retryable]],
  async start(behaviour) {
    const broker = await Aedes.createBroker();
    const taken: string[] = [];
    await new Promise<void>((resolve) =>
      broker.subscribe(
        'tocsin/messages/#',
        (packet, done) => {
          taken.push(`${packet.topic} ${packet.payload}`);
          done();
        },
        resolve,
      ),
    );
    const publish: Publish = (topic, payload, { retain }) =>
      new Promise((resolve, reject) => {
        if (behaviour === 'refuse') return reject(new Error('the queue is full'));
        if (behaviour === 'stall') return;
        const packet = { cmd: 'publish' as const, topic, payload, qos: 1 as const, retain, dup: false };
        broker.publish(packet, (error) => (error ? reject(error) : resolve()));
      });
    return {
      notifier: createMqttNotifier({ publish, clock, timeoutMs: 400 }),
      message: messageTo({ kind: 'mqtt', address: 'tocsin/messages/night', retain: false }),
      taken: () => taken,
      open: () => 0,
      secrets: [],
      [Symbol.asyncDispose]: () => new Promise<void>((resolve) => broker.close(() => resolve())),
    };
  },
});

const SMTP: Readonly<Record<string, Behaviour>> = {
  accept: {},
  stall: { data: () => 'hang' },
  drop: { data: () => 'drop' },
  'refuse for now': { recipient: () => ({ code: 450, text: 'later' }) },
  'refuse for good': { recipient: () => ({ code: 550, text: 'no such user' }) },
  'refuse the password': {
    options: {
      allowInsecureAuth: true,
      onAuth: (auth, _session, callback) => callback(Object.assign(new Error(`no ${auth.password}`), { responseCode: 535 })),
    },
  },
};
notifierContract('e-mail', {
  accept: 'accept',
  stall: 'stall',
  outcomes: [
    ['drop', retryable],
    ['refuse for now', retryable],
    ['refuse for good', refused],
    ['refuse the password', mendable],
  ],
  async start(behaviour: string) {
    const sockets = new Set<object>();
    const asked = SMTP[behaviour] ?? {};
    const options = {
      ...asked.options,
      onConnect(session: object, callback: () => void) {
        sockets.add(session);
        callback();
      },
      onClose: (session: object) => void sockets.delete(session),
    };
    const server = await startSmtp({ ...asked, options });
    const secret = newSecret();
    const credentials = behaviour === 'refuse the password' ? `me:${secret}@` : '';
    return {
      notifier: createEmailNotifier({
        settings: smtpSettings(server.url.replace('//', `//${credentials}`)),
        from: 'Tocsin <tocsin@example.org>',
        clock,
        timeouts: { connectMs: 1000, greetingMs: 500, silenceMs: 700, messageMs: 1000 },
      }),
      message: sampleMessage,
      taken: () => server.received.map(({ raw }) => raw),
      open: () => sockets.size,
      secrets: [secret],
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
});
