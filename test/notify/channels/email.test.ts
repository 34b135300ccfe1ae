/** Outcomes of real SMTP conversations, one notifier at a time. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { simpleParser } from 'mailparser';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createMailFileNotifier } from '../../../src/notify/channels/mail-file.ts';
import type { Notifier } from '../../../src/notify/channels/notifier.ts';
import { createNotifiers } from '../../../src/notify/channels/notifiers.ts';
import { classify } from '../../../src/notify/channels/smtp-outcome.ts';
import { smtpSettings } from '../../../src/notify/channels/smtp-settings.ts';
import { systemClock } from '../../../src/std/clock.ts';
import { TocsinError } from '../../../src/std/errors.ts';
import { sampleMessage } from './message.ts';
import { freePort, startSmtp } from './smtp.ts';

const message = sampleMessage;
const never = new AbortController().signal;
const QUICK = { connectMs: 2000, greetingMs: 300, silenceMs: 400, messageMs: 5000 };

const open: Notifier[] = [];
afterEach(async () => {
  for (const notifier of open.splice(0)) await notifier.close();
});

function notifierFor(smtp: string, timeouts = QUICK): Notifier {
  const logger = pino({ level: 'silent' });
  const notifier = createNotifiers({
    smtp,
    from: 'Tocsin <tocsin@example.org>',
    mailDirectory: '',
    publish: null,
    version: '0',
    clock: systemClock,
    logger,
    timeouts,
  }).get('email');
  if (notifier === undefined) throw new Error('no notifier');
  open.push(notifier);
  return notifier;
}

describe('e-mail over SMTP', () => {
  it('delivers one message to one recipient, threaded, dated and marked as automatic, the same to the byte again', async () => {
    await using server = await startSmtp();
    const notifier = notifierFor(server.url);
    for (let i = 0; i < 2; i++) expect((await notifier.send(message, never)).outcome).toBe('delivered');
    const [first, second] = server.received;
    expect(second?.raw).toBe(first?.raw);
    expect(first?.to).toEqual(['pharmacy@example.org']);
    const mail = first?.mail;
    expect(mail?.messageId).toBe(`<${message.id}@tocsin>`);
    expect(mail?.inReplyTo).toBe(`<${message.thread}@tocsin>`);
    expect(mail?.references).toBe(`<${message.thread}@tocsin>`);
    expect(mail?.subject).toBe(message.subject);
    expect(mail?.date?.toISOString()).toBe('2026-01-02T03:04:05.000Z');
    expect(mail?.text?.trim()).toBe(message.text.trim());
    expect(mail?.html).toContain('9.3 °C');
    expect(mail?.headers.get('auto-submitted')).toBe('auto-generated');
    expect(first?.raw).toMatch(/^List-Id: Tocsin alerts <alerts\.tocsin\.localhost>\r$/im);
    expect(first?.raw).toMatch(/^X-Tocsin-Transition: a\/1\r$/m);
    expect(first?.raw).not.toMatch(/[^\r]\n/);
  });

  it('keeps its connection for the next message', async () => {
    let connections = 0;
    const onConnect = (_session: unknown, callback: (error?: Error | null) => void): void => {
      connections += 1;
      callback();
    };
    await using server = await startSmtp({ options: { onConnect } });
    const notifier = notifierFor(server.url);
    for (let i = 0; i < 5; i++) await notifier.send(message, never);
    expect(connections).toBe(1);
  });

  it.each([
    ['a recipient refused for now', { recipient: () => ({ code: 450, text: 'greylisted' }) }, { outcome: 'retryable' }, /450 greylisted/],
    [
      'a recipient refused for good',
      { recipient: () => ({ code: 550, text: 'no such user' }) },
      { outcome: 'permanent', isMendable: false },
      /550 no such user/,
    ],
    ['a message refused for now', { data: () => ({ code: 451, text: 'later' }) }, { outcome: 'retryable' }, /451 later/],
    ['a message refused for good', { data: () => ({ code: 554, text: 'spam' }) }, { outcome: 'permanent', isMendable: false }, /554 spam/],
    ['no answer after DATA', { data: () => 'hang' as const }, { outcome: 'retryable' }, /[Tt]imeout/],
    ['a connection cut in the middle of DATA', { data: () => 'drop' as const }, { outcome: 'retryable' }, /127\.0\.0\.1/],
  ])('says what became of %s', async (_name, behaviour, expected, detail) => {
    await using server = await startSmtp(behaviour);
    const outcome = await notifierFor(server.url).send(message, never);
    expect(outcome).toMatchObject(expected);
    expect(outcome.detail).toMatch(detail);
  });

  it('says that nobody listens, and delivers once somebody does', async () => {
    const port = await freePort();
    const notifier = notifierFor(`smtp://127.0.0.1:${port}`);
    expect(await notifier.send(message, never)).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('ECONNREFUSED') });
    await using server = await startSmtp({ port });
    expect((await notifier.send(message, never)).outcome).toBe('delivered');
    expect(server.received).toHaveLength(1);
  });

  it('does not wait for a server that never greets, or that trickles its answers', async () => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const silent = await notifierFor(`smtp://127.0.0.1:${address.port}`).send(message, never);
    expect(silent).toMatchObject({ outcome: 'retryable', detail: expect.stringMatching(/[Gg]reeting/) });

    server.on('connection', (socket) => {
      const trickle = setInterval(() => socket.write('250-x\r\n'), 50);
      socket.on('close', () => clearInterval(trickle));
      socket.write('220 hello\r\n');
    });
    const trickled = await notifierFor(`smtp://127.0.0.1:${address.port}`, { ...QUICK, silenceMs: 2000, messageMs: 700 }).send(
      message,
      never,
    );
    expect(trickled).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('took longer than') });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('stops waiting when told to', async () => {
    await using server = await startSmtp({ data: () => 'hang' });
    const stopping = new AbortController();
    const sending = notifierFor(server.url, { ...QUICK, silenceMs: 60_000, messageMs: 60_000 }).send(message, stopping.signal);
    setTimeout(() => stopping.abort(), 200);
    expect((await sending).outcome).toBe('retryable');
  });

  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const ascii = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
  it.each(['hunter2-geheim', 'p w:/@?#%&+="\\ü€', 'two  blanks\tand a tab', `${base64('looks like base64')}`, "<&'quoted'>", 'x'])(
    'never shows the password %j: not when refused, not when the server repeats it in any form',
    async (password) => {
      const forms = [
        password,
        encodeURIComponent(password),
        JSON.stringify(password),
        ascii(Buffer.from(password).toString('latin1')),
        base64(password),
        base64(`\u0000me\u0000${password}`),
        // As in an error message that quotes the beginning of a command, or the end of it.
        base64(`\u0000me\u0000${password}`).slice(0, -3),
        base64(password).slice(2),
      ];
      const said = forms.filter((form) => !/[\r\n]/.test(form)).map((form) => `<<${form}>>`);
      await using server = await startSmtp({
        options: {
          allowInsecureAuth: true,
          onAuth: (_auth, _session, callback) => callback(Object.assign(new Error(`no ${said.join(' ')} here`), { responseCode: 535 })),
        },
      });
      const outcome = await notifierFor(`smtp://me:${encodeURIComponent(password)}@127.0.0.1:${server.port}`).send(message, never);
      expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true });
      expect(outcome.detail).toContain('check user and password');
      const shown = outcome.detail.slice(0, outcome.detail.lastIndexOf('here')).match(/<<.*?>>/g) ?? [];
      expect(shown).toHaveLength(said.length);
      for (const [index, text] of shown.entries()) {
        const form = forms[index] ?? '';
        // A part of base64 that is too short to tell anything may stay.
        if (form.length >= 8 || index < 6) expect(text).not.toContain(form.replace(/\s+/g, ' '));
      }
    },
  );

  it('refuses an untrusted certificate, saying what to do, and takes it when told so', async () => {
    await using server = await startSmtp({ options: { secure: true, disabledCommands: [] } });
    const url = server.url.replace('smtp:', 'smtps:');
    const refused = await notifierFor(`${url}?tls.rejectUnauthorized=true`).send(message, never);
    expect(refused).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringContaining('certificate') });
    expect((await notifierFor(`${url}?tls.rejectUnauthorized=false`).send(message, never)).outcome).toBe('delivered');
    expect((await notifierFor(url).send(message, never)).outcome).toBe('delivered');
  });

  it('sends no password in the clear to a server elsewhere', () => {
    expect(smtpSettings('smtp://me:x@mail.example.org')).toMatchObject({ requireTls: true, checkCertificate: true, port: 587 });
    expect(smtpSettings('smtp://me:x@mail.example.org?requireTLS=false')).toMatchObject({ requireTls: false });
    expect(smtpSettings('smtp://127.0.0.1:1025')).toMatchObject({ requireTls: false, checkCertificate: false, auth: null });
    expect(smtpSettings('smtps://u%40x:p%2Fw@[::1]')).toMatchObject({ host: '::1', port: 465, auth: { user: 'u@x', password: 'p/w' } });
  });

  it('trusts an authority of its own, also on loopback, and says what is wrong with its file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-ca-'));
    const error = (path: string): string => {
      try {
        smtpSettings(`smtp://me:secret@127.0.0.1?tls.ca=${path}`);
        return 'none';
      } catch (thrown) {
        return thrown instanceof TocsinError ? thrown.render() : String(thrown);
      }
    };
    try {
      writeFileSync(join(folder, 'ca.pem'), `Issuer: somebody\n${tls.rootCertificates.slice(0, 2).join('\n')}\n`);
      const settings = smtpSettings(`smtp://127.0.0.1?tls.ca=${join(folder, 'ca.pem')}`);
      expect(settings).toMatchObject({ checkCertificate: true, ca: tls.rootCertificates.slice(0, 2).join('\n') });
      writeFileSync(join(folder, 'empty.pem'), '');
      writeFileSync(join(folder, 'bad.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
      expect(error('ca.pem')).toMatch(/tls\.ca "ca\.pem" is no absolute path\nhint: write \?tls\.ca=\//);
      expect(error(join(folder, 'missing.pem'))).toMatch(/tls\.ca ".*missing\.pem" cannot be read: ENOENT/);
      expect(error(join(folder, 'empty.pem'))).toMatch(/it holds no certificate\nhint: a PEM file/);
      expect(error(join(folder, 'bad.pem'))).toMatch(/bad\.pem" cannot be read/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.each([
    'smtp://me:1secret@x.org/secret@x.org',
    'smtp://me:25#secret@x.org',
    'smtp://me:25/secret@x.org',
    'smtp://me:25?secret@x.org',
    'smtp://',
    'http://me:secret@x.org',
    'me:secret@x.org',
    'smtp://me:secret%@x.org',
    'smtp://me:secret@x.org?x=1',
    'smtp://me:secret@x.org?requireTLS=1',
  ])('refuses %s without repeating it', (url) => {
    const error = (() => {
      try {
        smtpSettings(url);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(TocsinError);
    expect(error instanceof TocsinError ? error.render() : '').not.toContain('secret');
  });

  it.each(['Tocsin', 'a@b.org, c@d.org', 'Tocsin <a@b.org>\r\nBcc: x@y.org', ''])('refuses %j as a sender', (from) => {
    const options = { smtp: null, mailDirectory: '', publish: null, version: '0', clock: systemClock, logger: pino({ level: 'silent' }) };
    expect(() => createNotifiers({ ...options, from })).toThrow(TocsinError);
  });
});

const answered = (command: string, response: string): object =>
  Object.assign(new Error(`failed: ${response}`), { code: 'EENVELOPE', responseCode: Number(response.slice(0, 3)), command, response });

describe('errors of the mail library', () => {
  it.each([
    [{ code: 'ECONNECTION', message: 'gone' }, 'retryable'],
    [{ code: 'ETIMEDOUT', message: 'Timeout' }, 'retryable'],
    [{ code: 'EDNS', message: 'no such host' }, 'retryable'],
    [{ code: 'EAUTH', responseCode: 454, message: 'later' }, 'retryable'],
    [{ code: 'EAUTH', responseCode: 535, message: 'no' }, 'mendable'],
    [{ code: 'EENVELOPE', responseCode: 530, command: 'MAIL FROM', message: 'log in first' }, 'mendable'],
    [{ code: 'EENVELOPE', responseCode: 550, command: 'MAIL FROM', message: 'sender refused' }, 'mendable'],
    [{ code: 'EENVELOPE', responseCode: 503, command: 'RCPT TO', message: 'bad sequence' }, 'retryable'],
    [{ code: 'EENVELOPE', message: 'no recipients' }, 'permanent'],
    [{ code: 'ESOCKET', originalCode: 'DEPTH_ZERO_SELF_SIGNED_CERT', message: 'self-signed certificate' }, 'mendable'],
    [{ code: 'ETLS', message: 'STARTTLS not offered' }, 'mendable'],
    [{ code: 'ETLS', responseCode: 502, command: 'STARTTLS', message: 'no such command' }, 'mendable'],
    [{ code: 'ETLS', responseCode: 454, command: 'STARTTLS', message: 'TLS not available' }, 'retryable'],
    [{ code: 'ETLS', message: 'Connection closed unexpectedly' }, 'retryable'],
    [{ code: 'ESOCKET', originalCode: 'ERR_SSL_WRONG_VERSION_NUMBER', message: 'wrong version number' }, 'mendable'],
    [answered('RCPT TO', '550 5.1.1 <a@b.org>: Recipient address rejected: User unknown'), 'permanent'],
    [answered('RCPT TO', '554 5.7.1 <a@b.org>: Recipient address rejected: Access denied'), 'mendable'],
    [answered('RCPT TO', '554 5.7.1 <a@b.org>: Relay access denied'), 'mendable'],
    [answered('RCPT TO', '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain'), 'mendable'],
    [answered('RCPT TO', '553 5.7.1 <t@b.org>: Sender address rejected: not owned by user me'), 'mendable'],
    [answered('RCPT TO', '554 5.7.1 <unknown[10.0.0.1]>: Client host rejected: Access denied'), 'mendable'],
    [answered('RCPT TO', '550 5.1.8 <t@b.org>: Domain not found'), 'mendable'],
    [answered('DATA', '550-5.7.26 Unauthenticated email from b.org is not accepted\n550 5.7.26 due to its DMARC policy'), 'mendable'],
    [answered('DATA', '552 5.2.2 Mailbox full'), 'permanent'],
    [answered('CONN', '554 5.7.1 No SMTP service for you'), 'mendable'],
    ['text', 'retryable'],
  ])('%j is %s', (error, expected) => {
    const outcome = classify(error, 'mail:25');
    expect(outcome.outcome === 'permanent' && outcome.isMendable ? 'mendable' : outcome.outcome).toBe(expected);
  });
});

describe('what a server says', () => {
  it('is one line, of which the code is told once', () => {
    const { detail } = classify(
      answered('RCPT TO', '550-5.1.1 There is nobody\r\n550-5.1.1 of this name.\r\n550 5.1.1 Ask again'),
      'mail:25',
    );
    expect(detail).toBe('mail:25 answered 550 5.1.1 There is nobody of this name. Ask again');
  });

  it('is cut short before what to do about it', () => {
    const { detail } = classify(answered('MAIL FROM', `550 ${'no '.repeat(100_000)}`), 'mail:25');
    expect(detail).toMatch(/^mail:25 answered 550 no no .*… \(.*check email\.smtp, .*\)$/);
    expect(detail.length).toBeLessThan(600);
  });
});

describe('e-mail into files', () => {
  it('writes whole messages under their name, overwrites a repeat, clears what a crash left, and keeps a bounded number', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tocsin-mail-'));
    try {
      writeFileSync(join(directory, 'x.eml.part'), 'half');
      writeFileSync(join(directory, 'old.eml'), 'old');
      utimesSync(join(directory, 'old.eml'), 1, 1);
      const notifier = createMailFileNotifier({ directory, from: 'Tocsin <tocsin@localhost>', filesMax: 3 });
      for (const id of ['a', 'b', 'a']) expect((await notifier.send({ ...message, id }, never)).outcome).toBe('delivered');
      expect(readdirSync(directory).sort()).toEqual(['a.eml', 'b.eml', 'old.eml']);
      const outcome = await notifier.send({ ...message, id: 'c' }, never);
      expect(outcome.detail).toBe(`written to ${join(directory, 'c.eml')}`);
      await notifier.send({ ...message, id: 'd' }, never);
      expect(readdirSync(directory).sort()).toEqual(['a.eml', 'c.eml', 'd.eml']);
      const mail = await simpleParser(readFileSync(join(directory, 'd.eml')));
      expect(mail.messageId).toBe('<d@tocsin>');
      expect(mail.subject).toBe(message.subject);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('says so when it cannot write', async () => {
    const notifier = createMailFileNotifier({ directory: '/dev/null/mail', from: 'Tocsin <tocsin@localhost>' });
    expect(await notifier.send(message, never)).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('/dev/null/mail') });
  });
});
