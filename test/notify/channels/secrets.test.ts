/**
 * No secret in what is logged or told of a delivery, whatever goes wrong and whatever the other side repeats: every channel with
 * secrets in every place that has one, peers that send all they got back, and a search for every form of each secret, parts included.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import pino from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import type { Channel } from '../../../src/domain/notification.ts';
import { createNotifiers } from '../../../src/notify/channels/notifiers.ts';
import { systemClock } from '../../../src/std/clock.ts';
import { TocsinError } from '../../../src/std/errors.ts';
import { ANSWERS, type Answer, startHttpPeer } from './http-peer.ts';
import { messageTo, newSecret } from './message.ts';
import { freePort } from './smtp.ts';

/** Shorter parts than this may be a coincidence. */
const PART_LENGTH = 9;
const TIMEOUTS = { connectMs: 1000, greetingMs: 500, silenceMs: 500, messageMs: 3000 };
const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'tocsin-secrets-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything that a user could see: log lines as JSON, and details. */
class Seen {
  readonly texts: string[] = [];
  readonly logger = pino(
    { level: 'trace' },
    new Writable({
      write: (chunk, _encoding, done) => {
        this.texts.push(String(chunk));
        done();
      },
    }),
  );
}

/** The secret as it is, percent-encoded, in JSON, in base64 and in hexadecimal; and any part of these. */
function leaksOf(secret: string, texts: readonly string[], around: readonly string[] = []): string[] {
  const base64 = [secret, ...around].flatMap((text) => [Buffer.from(text).toString('base64'), Buffer.from(text).toString('base64url')]);
  const forms = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('hex'), ...base64];
  return forms.flatMap((form) => {
    const length = Math.min(PART_LENGTH, form.length);
    const parts = Array.from({ length: form.length - length + 1 }, (_, index) => form.slice(index, index + length));
    return texts.filter((text) => parts.some((part) => text.toLowerCase().includes(part.toLowerCase())));
  });
}

function notifiersFor(seen: Seen, smtp: string | null = null) {
  const publish = (): Promise<void> => Promise.reject(new Error('no broker'));
  const from = 'Tocsin <tocsin@example.org>';
  const settings = { smtp, from, mailDirectory: folder, publish, version: '1', timeouts: TIMEOUTS };
  return createNotifiers({ ...settings, clock: systemClock, logger: seen.logger });
}

async function outcomeOf(seen: Seen, channel: Channel, smtp: string | null = null): Promise<string> {
  const notifiers = notifiersFor(seen, smtp);
  try {
    const outcome = await notifiers.get(channel.kind)?.send(messageTo(channel), never);
    seen.texts.push(JSON.stringify(outcome));
    // As delivery logs it.
    seen.logger.warn({ outcome, channel: channel.kind, address: channel.address }, 'a message was not delivered');
    return outcome?.outcome ?? 'none';
  } finally {
    for (const notifier of notifiers.values()) await notifier.close();
  }
}

/** Speaks just enough SMTP to be given the login, and says back what it was given. */
async function startParrot(refuse: (heard: string) => string): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).write('220 parrot\r\n');
    socket.setEncoding('utf8').on('data', (text) => {
      for (const line of String(text).split('\r\n').filter(Boolean)) {
        socket.write(line.startsWith('EHLO') ? '250-parrot\r\n250 AUTH PLAIN\r\n' : `${refuse(line)}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const EMAIL: Channel = { kind: 'email', address: 'pharmacy@example.org' };
const SMTP_PASSWORDS = ['correct horse battery staple', 'p:@/?#%&+="\\<>\' ü€ tail-of-it', newSecret(), 'A'.repeat(300)];
const decodedLogin = (line: string): string =>
  Buffer.from(line.split(' ').at(-1) ?? '', 'base64')
    .toString('utf8')
    .replaceAll('\0', ' ');
const REFUSALS: readonly { readonly name: string; readonly refuse: (heard: string) => string }[] = [
  { name: 'repeats the command', refuse: (heard) => `535 5.7.8 not understood: ${heard}` },
  { name: 'repeats the beginning of the command', refuse: (heard) => `500 5.5.2 bad: ${heard.slice(0, 40)}...` },
  { name: 'repeats the command for now', refuse: (heard) => `454 4.7.0 later: ${heard}` },
  { name: 'repeats the login in the clear', refuse: (heard) => `535 no ${decodedLogin(heard)}` },
  { name: 'spreads it over lines', refuse: (heard) => `535-5.7.8 no\r\n535 5.7.8 ${decodedLogin(heard).replaceAll(' ', '\t ')}` },
  { name: 'closes the connection with it', refuse: (heard) => `421 4.7.0 ${heard}` },
  { name: 'speaks no SMTP', refuse: (heard) => `${heard} ${decodedLogin(heard)}` },
];

describe('the password of the mail server', () => {
  it.each(REFUSALS)('is not shown when the server $name', async ({ refuse }) => {
    for (const password of SMTP_PASSWORDS) {
      const heard: string[] = [];
      await using parrot = await startParrot((line) => {
        heard.push(line);
        return refuse(line);
      });
      const seen = new Seen();
      const url = `smtp://user@x.org:${encodeURIComponent(password)}@127.0.0.1:${parrot.port}`.replace('user@', 'user%40');
      expect(await outcomeOf(seen, EMAIL, url)).not.toBe('delivered');
      // Otherwise nothing was tried.
      expect(heard.map(decodedLogin).join('\n')).toContain(password);
      expect(leaksOf(password, seen.texts, [`\0user@x.org\0${password}`])).toEqual([]);
    }
  });

  it('is not shown when there is no conversation, or settings that do not hold', async () => {
    const secret = newSecret();
    const seen = new Seen();
    await using parrot = await startParrot((line) => line);
    await outcomeOf(seen, EMAIL, `smtp://me:${secret}@127.0.0.1:${await freePort()}`);
    await outcomeOf(seen, EMAIL, `smtps://me:${secret}@127.0.0.1:${parrot.port}`);
    await outcomeOf(seen, EMAIL, `smtp://me:${secret}@127.0.0.1:${parrot.port}?requireTLS=true`);
    await outcomeOf(seen, EMAIL, `smtp://me:${secret}@nowhere.invalid`);
    const refused = [
      `http://me:${secret}@x.org`,
      `me:${secret}@x.org`,
      `smtp://me:${secret}%@x.org`,
      `smtp://me:25#${secret}@x.org`,
      `smtp://me:25?${secret}@x.org`,
      `smtp://me:25/${secret}@x.org`,
      `smtp://me:${secret}@x.org?unknown=1`,
      `smtp://me:${secret}@x.org?requireTLS=maybe`,
      `smtp://me:${secret}@x.org?tls.ca=missing.pem`,
      `smtp://me:${secret}@x.org?tls.ca=${folder}/missing.pem`,
    ];
    for (const url of refused) {
      try {
        notifiersFor(seen, url);
        throw new Error(`${url} was taken`);
      } catch (error) {
        expect(error).toBeInstanceOf(TocsinError);
        seen.logger.fatal({ err: error }, 'cannot start');
        seen.texts.push(error instanceof TocsinError ? error.render() : '');
      }
    }
    expect(seen.texts.length).toBeGreaterThan(2 * refused.length);
    expect(leaksOf(secret, seen.texts)).toEqual([]);
  });
});

/** Each with its secrets, for a server at this origin. */
const CHANNELS: Readonly<Record<string, (origin: string, secret: () => string) => Channel>> = {
  'a webhook': (origin, secret) => {
    const url = `${origin.replace('://', `://${secret()}:${secret()}@`)}/hooks/${secret()}/%C3%BC${secret()}?token=${secret()}`;
    return { kind: 'webhook', address: new URL(origin).host, url, secret: secret(), allowPrivate: true };
  },
  Slack: (origin, secret) => ({
    kind: 'slack',
    address: new URL(origin).host,
    url: `${origin}/services/${secret()}/${secret()}`,
    allowPrivate: true,
  }),
  Teams: (origin, secret) => ({
    kind: 'teams',
    address: new URL(origin).host,
    url: `${origin}/webhookb2/${secret()}@${secret()}/IncomingWebhook/${secret()}?sig=${secret()}`,
    allowPrivate: true,
  }),
  ntfy: (origin, secret) => ({
    kind: 'ntfy',
    address: new URL(origin).host,
    url: `${origin}/night-shift`,
    token: secret(),
    allowPrivate: true,
  }),
};

/** What a server may send back: all of the request's head, percent-encoded, decoded, and in base64. */
const repeated: Answer = (response, { path, headers }) => {
  const heard = [path, decodeURIComponent(path), ...Object.values(headers).map(String)];
  const said = heard.flatMap((text) => [text, JSON.stringify(text), Buffer.from(text).toString('base64')]);
  response.writeHead(400, 'Bad Request', { 'Content-Type': 'text/plain' }).end(said.join(' '));
};
const ANSWERING: Readonly<Record<string, Answer>> = {
  'repeats its request': repeated,
  'refuses the credentials': ANSWERS.unauthorised,
  'is broken': ANSWERS.broken,
  redirects: ANSWERS['redirect for now'],
  'drops the connection': ANSWERS.drop,
  'speaks another language': ANSWERS['speak another language'],
};

describe.each(Object.entries(CHANNELS))('the secrets of %s', (_name, channelAt) => {
  it.each(Object.entries(ANSWERING))('are not shown when the server %s', async (_what, answer) => {
    await using peer = await startHttpPeer(answer);
    const secrets: string[] = [];
    const seen = new Seen();
    const secret = (): string => {
      const made = newSecret();
      secrets.push(made);
      return made;
    };
    expect(await outcomeOf(seen, channelAt(peer.origin, secret))).not.toBe('delivered');
    expect(peer.posted).toHaveLength(1);
    await outcomeOf(seen, channelAt(peer.origin.replace('http:', 'https:'), secret));
    await outcomeOf(seen, channelAt(`http://127.0.0.1:${await freePort()}`, secret));
    expect(secrets.length).toBeGreaterThanOrEqual(3);
    for (const one of secrets) expect(leaksOf(one, seen.texts)).toEqual([]);
  });
});

describe('the secrets of a module', () => {
  it.each([
    ['throws them when it is made', 'export default (options) => { throw new Error("bad " + JSON.stringify(options)); }'],
    [
      'throws them when it sends',
      'export default (options) => ({ send: async () => { throw new Error(JSON.stringify(options)); }, close: async () => {} })',
    ],
    [
      'tells them',
      'export default (options) => ({ send: async () => ({ outcome: "permanent", detail: JSON.stringify(options), isMendable: true }), close: async () => {} })',
    ],
    ['answers nothing', 'export default (options) => ({ send: async () => options, close: async () => {} })'],
  ])('are not shown when it %s', async (what, code) => {
    const path = join(folder, `${what.replaceAll(' ', '-')}.mjs`);
    writeFileSync(path, code);
    const secrets = [newSecret(), newSecret()] as const;
    const seen = new Seen();
    const options = { token: secrets[0], nested: { list: [{ password: secrets[1] }] } };
    expect(await outcomeOf(seen, { kind: 'module', address: './pager.mjs', path, options })).not.toBe('delivered');
    for (const secret of secrets) expect(leaksOf(secret, seen.texts)).toEqual([]);
  });
});
