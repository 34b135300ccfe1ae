/** E-mail through a real Postfix, from the notifier to the mailbox. What Postfix does not do on demand is in email.test.ts. */
import { type ParsedMail, simpleParser } from 'mailparser';
import { afterAll, afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { createEmailNotifier, type EmailTimeouts } from '../../../src/notify/channels/email.ts';
import type { Notifier, OutgoingMessage } from '../../../src/notify/channels/notifier.ts';
import { smtpSettings } from '../../../src/notify/channels/smtp-settings.ts';
import { DELIVERY_TIMING, settle } from '../../../src/notify/settle.ts';
import { systemClock } from '../../../src/std/clock.ts';
import { type ListenerName, type Postfix, SIZE_MAX, startPostfix } from '../../services/postfix.ts';
import { startTcpProxy } from '../../services/tcp-proxy.ts';
import { messageTo } from './message.ts';

const postfixOrReason = await startPostfix();
const never = new AbortController().signal;
const TIMEOUTS: EmailTimeouts = { connectMs: 3000, greetingMs: 3000, silenceMs: 3000, messageMs: 8000 };
const PASSWORD = 'p w:/@?#%&+="\\ü€';

const open: AsyncDisposable[] = [];
let postfix: Postfix;
afterAll(async () => {
  if (postfixOrReason.available) await postfixOrReason.value[Symbol.asyncDispose]();
});
beforeEach((context: TestContext) => {
  if (!postfixOrReason.available) return context.skip(postfixOrReason.reason);
  postfix = postfixOrReason.value;
  postfix.policy = () => 'dunno';
  postfix.users.clear();
});
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

function notifierAt(url: string, timeouts = TIMEOUTS, from = 'Tocsin <tocsin@example.org>'): Notifier {
  const notifier = createEmailNotifier({ settings: smtpSettings(url), from, clock: systemClock, timeouts });
  open.push({ [Symbol.asyncDispose]: () => notifier.close() });
  return notifier;
}
const urlOf = (name: ListenerName, more = ''): string => `smtp://127.0.0.1:${postfix.ports[name]}${more}`;
const trusting = (): string => `?requireTLS=true&tls.ca=${encodeURIComponent(postfix.caFile)}`;
const login = (user: string, password: string): string => `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;

let count = 0;
/** Each has an id of its own, by which it is found in the mailbox. */
function nextMessage(overrides: Partial<OutgoingMessage> & { to?: string } = {}): OutgoingMessage {
  const { to = 'pharmacy@example.org', ...rest } = overrides;
  count += 1;
  return messageTo({ kind: 'email', address: to }, { id: `message-${count}`, ...rest });
}

/** What lies in the mailbox, once so many do. */
async function arrived(sent: OutgoingMessage, options: { in?: string; count?: number } = {}): Promise<{ raw: string; mail: ParsedMail }[]> {
  const box = options.in ?? sent.channel.address;
  const raws = await postfix.mails(box, { messageId: `<${sent.id}@tocsin>`, count: options.count ?? 1 });
  return Promise.all(raws.map(async (raw) => ({ raw, mail: await simpleParser(raw) })));
}
async function theOne(sent: OutgoingMessage, options: { in?: string } = {}): Promise<{ raw: string; mail: ParsedMail }> {
  const [one, ...others] = await arrived(sent, options);
  if (one === undefined || others.length > 0) throw new Error(`${others.length + 1} mails`);
  return one;
}

describe('through Postfix', () => {
  it('arrives with its headers and every line as it was written', async () => {
    const dots = ['.', '..', '.a', 'before', '.', '', '.after.', '...'].join('\n');
    const sent = nextMessage({ text: `${dots}\n`, subject: 'Kühlschrank „Süd“ is at 9.3 °C 🧊', thread: 'first' });
    const outcome = await notifierAt(urlOf('open'), TIMEOUTS, 'Töcsin Wächter <tocsin@example.org>').send(sent, never);
    expect(outcome).toEqual({
      outcome: 'delivered',
      detail: expect.stringMatching(/^127\.0\.0\.1:\d+ answered 250 2\.0\.0 Ok: queued as \w+$/),
    });
    const { raw, mail } = await theOne(sent);
    expect(mail.subject).toBe(sent.subject);
    expect(mail.text).toBe(sent.text);
    expect(mail.html).toContain('9.3 °C');
    expect(mail.inReplyTo).toBe('<first@tocsin>');
    expect(mail.date?.getTime()).toBe(sent.at / 1000);
    expect(mail.from?.value).toEqual([{ name: 'Töcsin Wächter', address: 'tocsin@example.org' }]);
    expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
    expect(raw).toMatch(/^Return-Path: <tocsin@example\.org>$/m);
    const headers = raw.slice(0, raw.indexOf('\n\n'));
    expect([...headers].every((character) => character.charCodeAt(0) < 128)).toBe(true);
  });

  it('breaks lines that are longer than mail allows, and puts them together again', async () => {
    const long = `${'x'.repeat(3000)} ${'ü'.repeat(1500)}`;
    const sent = nextMessage({ text: `${long}\n`, html: `<p>${long}</p>`, subject: `Long ${'word '.repeat(80)}end` });
    expect((await notifierAt(urlOf('open')).send(sent, never)).outcome).toBe('delivered');
    const { raw, mail } = await theOne(sent);
    expect(Math.max(...raw.split('\n').map((line) => line.length))).toBeLessThanOrEqual(998);
    expect(mail.text).toBe(sent.text);
    expect(mail.subject).toBe(sent.subject);
  });

  it('reaches an address with a plus, and one in an internationalised domain', async () => {
    const notifier = notifierAt(urlOf('open'));
    const plus = nextMessage({ to: 'pharmacy+fridge-01@example.org' });
    const idn = nextMessage({ to: 'ops@bücher.example' });
    for (const sent of [plus, idn]) expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    expect((await theOne(plus, { in: 'pharmacy@example.org' })).raw).toMatch(
      /^(X-Original-To|Delivered-To): pharmacy\+fridge-01@example\.org$/m,
    );
    expect((await theOne(idn, { in: 'ops@xn--bcher-kva.example' })).raw).toMatch(/^To: ops@xn--bcher-kva\.example$/m);
  });

  it('reaches it at an IPv6 address', async ({ skip }) => {
    if (!postfix.hasIpv6) skip('this machine has no ::1');
    const sent = nextMessage();
    const outcome = await notifierAt(`smtp://[::1]:${postfix.ports.open}`).send(sent, never);
    expect(outcome).toMatchObject({ outcome: 'delivered', detail: expect.stringMatching(/^\[::1\]:\d+ answered/) });
    expect((await theOne(sent)).raw).toContain('IPv6:::1');
  });

  it('uses few connections for many mails', async () => {
    await using proxy = await startTcpProxy(postfix.ports.open);
    const notifier = notifierAt(`smtp://127.0.0.1:${proxy.port}`, { ...TIMEOUTS, messageMs: 20_000 });
    const sent = Array.from({ length: 100 }, () => nextMessage());
    const outcomes = await Promise.all(sent.map((one) => notifier.send(one, never)));
    expect(outcomes.filter(({ outcome }) => outcome !== 'delivered')).toEqual([]);
    expect(proxy.connections).toBeLessThanOrEqual(6);
    await Promise.all(sent.map((one) => theOne(one)));
  });
});

describe('refused by Postfix', () => {
  it('greylisted, it is accepted at the retry, as the same message', async () => {
    const seen = new Set<string>();
    postfix.policy = ({ recipient }) => {
      if (seen.has(recipient)) return 'dunno';
      seen.add(recipient);
      return 'defer_if_permit Greylisted, come back later';
    };
    const notifier = notifierAt(urlOf('open'));
    const sent = nextMessage();
    const refused = await notifier.send(sent, never);
    expect(refused).toMatchObject({
      outcome: 'retryable',
      detail: expect.stringMatching(/answered 450 4\.7\.1 <pharmacy@example\.org>: .*Greylisted/),
    });
    const now = sent.at + 1_000_000;
    const attempted = { createdAt: sent.at, channelSince: sent.at, channelAttempts: 1, isUrgent: true, hasNextChannel: true };
    expect(settle(refused, attempted, { now, timing: DELIVERY_TIMING })).toMatchObject({ next: 'retry' });
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    await theOne(sent);
  });

  it('of three recipients one is unknown: the others get theirs', async () => {
    const notifier = notifierAt(urlOf('open'));
    const sent = ['pharmacy@example.org', 'gone@example.org', 'night@example.org'].map((to) => nextMessage({ to }));
    const outcomes = await Promise.all(sent.map((one) => notifier.send(one, never)));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['delivered', 'permanent', 'delivered']);
    expect(outcomes[1]).toMatchObject({
      isMendable: false,
      detail: expect.stringContaining('550 5.1.1 <gone@example.org>: Recipient address rejected'),
    });
    for (const one of [sent[0], sent[2]]) if (one !== undefined) await theOne(one);
  });

  it('tells a server that does not relay for us from a recipient that does not exist', async () => {
    const outcome = await notifierAt(urlOf('open')).send(nextMessage({ to: 'someone@elsewhere.example' }), never);
    expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true });
    expect(outcome.detail).toMatch(/554 5\.7\.1 .*Relay access denied \(.*check email\.smtp/);
  });

  it('says that a message is too large', async () => {
    const outcome = await notifierAt(urlOf('small')).send(nextMessage({ text: 'A line of text\n'.repeat(SIZE_MAX / 10) }), never);
    expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: false });
    expect(outcome.detail).toMatch(/552 5\.3\.4 .* \(the message is larger than the server takes\)$/);
  });

  it('delivers to the next recipient after a server has lost patience with the refused ones', async () => {
    const notifier = notifierAt(urlOf('strict'));
    const refused: string[] = [];
    for (let i = 0; i < 6; i++) refused.push((await notifier.send(nextMessage({ to: `gone-${i}@example.org` }), never)).outcome);
    expect(refused).toContain('permanent');
    const sent = nextMessage();
    const first = await notifier.send(sent, never);
    expect(first.outcome).not.toBe('permanent');
    if (first.outcome !== 'delivered') expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    await theOne(sent);
  });
});

describe('encryption', () => {
  it.each(['submission', 'wrapped'] as const)('is used on the %s port, with a login, once its authority is trusted', async (name) => {
    const user = 'tocsin@example.org';
    postfix.users.set(user, PASSWORD);
    const scheme = name === 'wrapped' ? 'smtps' : 'smtp';
    const sent = nextMessage();
    const outcome = await notifierAt(`${scheme}://${login(user, PASSWORD)}localhost:${postfix.ports[name]}${trusting()}`).send(sent, never);
    expect(outcome).toMatchObject({ outcome: 'delivered' });
    const { raw } = await theOne(sent);
    expect(raw).toMatch(/^\s+\(using TLSv1\.[23] with cipher /m);
    expect(raw).toMatch(/with ESMTPSA id/);
  });

  it.each([
    {
      name: 'submission',
      what: 'from an authority that nobody knows',
      more: '?tls.rejectUnauthorized=true',
      advice: /is not trusted: add \?tls\.ca=/,
    },
    {
      name: 'misnamed',
      what: 'for another name',
      more: null,
      advice: /DNS:mail\.example\.com.* is for another name: write in email\.smtp/,
    },
    { name: 'expired', what: 'that has expired', more: null, advice: /has expired: renew it there/ },
  ] as const)('is refused with a certificate $what', async ({ name, more, advice }) => {
    const outcome = await notifierAt(`smtp://localhost:${postfix.ports[name]}${more ?? trusting()}`).send(nextMessage(), never);
    expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringMatching(advice) });
    const settings = { createdAt: 0, channelSince: 0, channelAttempts: 1, isUrgent: true, hasNextChannel: false };
    expect(settle(outcome, settings, { now: 0, timing: DELIVERY_TIMING }).next).toBe('retry');
  });

  it('is required where it must be: neither message nor password goes out without it', async () => {
    await using proxy = await startTcpProxy(postfix.ports.cleartext);
    const outcome = await notifierAt(`smtp://${login('me', 'hunter2')}127.0.0.1:${proxy.port}?requireTLS=true`).send(nextMessage(), never);
    expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringContaining('offers no encryption') });
    expect(proxy.sent).toMatch(/^EHLO \S+\r\nSTARTTLS\r\n$/);
  });

  it('says so when the address is for the other kind of encryption', async () => {
    const wrong = await notifierAt(`smtps://127.0.0.1:${postfix.ports.submission}`).send(nextMessage(), never);
    expect(wrong).toMatchObject({
      outcome: 'permanent',
      isMendable: true,
      detail: expect.stringContaining('smtp:// in email.smtp is for STARTTLS'),
    });
    const silent = await notifierAt(urlOf('wrapped'), { ...TIMEOUTS, greetingMs: 300 }).send(nextMessage(), never);
    expect(silent).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('use smtps:// in email.smtp') });
  });
});

describe('login', () => {
  it('with a wrong password is ours to mend, and shows none of it', async () => {
    postfix.users.set('me', 'another');
    for (const name of ['submission', 'wrapped'] as const) {
      const scheme = name === 'wrapped' ? 'smtps' : 'smtp';
      const outcome = await notifierAt(`${scheme}://${login('me', PASSWORD)}localhost:${postfix.ports[name]}${trusting()}`).send(
        nextMessage(),
        never,
      );
      expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true });
      expect(outcome.detail).toMatch(/^localhost:\d+ answered 535 5\.7\.8 .*\(check user and password in email\.smtp\)$/);
      for (const text of [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(PASSWORD).toString('base64')])
        expect(outcome.detail).not.toContain(text);
    }
  });

  it('that the server wants and does not get is ours to mend', async () => {
    const withoutUser = await notifierAt(`smtp://localhost:${postfix.ports.submission}${trusting()}`).send(nextMessage(), never);
    expect(withoutUser).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringContaining('user and password') });
    await using proxy = await startTcpProxy(postfix.ports.cleartext);
    postfix.users.set('me', 'hunter2');
    const withoutTls = await notifierAt(`smtp://${login('me', 'hunter2')}127.0.0.1:${proxy.port}`).send(nextMessage(), never);
    expect(withoutTls).toMatchObject({ outcome: 'permanent', isMendable: true });
    expect(proxy.sent).not.toContain('AUTH');
  });
});

describe('a bad connection', () => {
  it('that is slow is borne with, up to the limit', async () => {
    await using proxy = await startTcpProxy(postfix.ports.open);
    const notifier = notifierAt(`smtp://127.0.0.1:${proxy.port}`, { ...TIMEOUTS, messageMs: 1500 });
    proxy.behaviour = { answerDelayMs: 60 };
    const sent = nextMessage();
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    await notifier.close();

    proxy.behaviour = { answerDelayMs: 60, answerPieceBytes: 2 };
    const started = performance.now();
    const trickled = await notifierAt(`smtp://127.0.0.1:${proxy.port}`, { ...TIMEOUTS, messageMs: 1500 }).send(nextMessage(), never);
    expect(trickled).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('took longer than') });
    expect(performance.now() - started).toBeLessThan(3000);
    await theOne(sent);
  });

  it('cut in the middle of the message: the repeat arrives, once', async () => {
    await using proxy = await startTcpProxy(postfix.ports.open);
    const notifier = notifierAt(`smtp://127.0.0.1:${proxy.port}`);
    const sent = nextMessage({ text: 'A line of text\n'.repeat(5000) });
    proxy.behaviour = { cutAfterBytes: 30_000 };
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'retryable' });
    proxy.behaviour = {};
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    expect((await theOne(sent)).mail.text).toBe(sent.text);
  });

  it('cut before the answer to the whole message: both copies bear one Message-ID', async () => {
    await using proxy = await startTcpProxy(postfix.ports.open);
    const notifier = notifierAt(`smtp://127.0.0.1:${proxy.port}`);
    const sent = nextMessage();
    proxy.behaviour = { cutAnswerTo: '\r\n.\r\n' };
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'retryable' });
    proxy.behaviour = {};
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    const [first, second] = await arrived(sent, { count: 2 });
    const ofOurs = (raw: string | undefined): string | undefined => raw?.slice(raw.indexOf('\nFrom: '));
    expect(ofOurs(first?.raw)).toBe(ofOurs(second?.raw));
  });

  it('that the server ends with 421 in the middle is retried on another', async () => {
    const notifier = notifierAt(urlOf('open'));
    expect(await notifier.send(nextMessage(), never)).toMatchObject({ outcome: 'delivered' });
    postfix.policy = () => '421 4.3.2 System shutting down';
    const sent = nextMessage();
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('421 4.3.2') });
    postfix.policy = () => 'dunno';
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    await theOne(sent);
  });

  it('outlives a restart of the server', async () => {
    const notifier = notifierAt(urlOf('open'));
    expect(await notifier.send(nextMessage(), never)).toMatchObject({ outcome: 'delivered' });
    await postfix.process.stop();
    const sent = nextMessage();
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'retryable' });
    await postfix.process.start();
    expect(await notifier.send(sent, never)).toMatchObject({ outcome: 'delivered' });
    await theOne(sent);
  });
});

describe('afterwards', () => {
  it('Postfix has complained of nothing, has seen no password, and stops', async () => {
    const log = await postfix.log();
    const expected = /SASL .* authentication failed|TLS library problem|queue file size limit exceeded|non-SMTP command/;
    const complaints = log.split('\n').filter((line) => /\b(?:fatal|panic|error):|warning: /.test(line));
    expect(complaints.filter((line) => !line.includes('warning: ') || !expected.test(line))).toEqual([]);
    // What was sent for the other kind of encryption above: whether its random bytes hold the end of a line is chance.
    expect(complaints.filter((line) => line.includes('non-SMTP command')).length).toBeLessThanOrEqual(1);
    expect(log).not.toContain(PASSWORD);
    await postfix[Symbol.asyncDispose]();
    await expect(notifierAt(urlOf('open')).send(nextMessage(), never)).resolves.toMatchObject({ outcome: 'retryable' });
  });
});
