/**
 * E-mail over SMTP, on a few connections that stay open. One message, one recipient, one answer. Every wait is bounded:
 * connecting, the greeting, silence, and the whole of a message, for a server that trickles its answers.
 *
 * What fails comes back with its reason, and the outbox decides. The pool itself repeats, once, only what met a kept
 * connection that the server had given up meanwhile, before a byte of the message went out. A connection that ended after the
 * message was handed over but before the answer is retryable; the repeat bears the same Message-ID.
 */
import { createTransport } from 'nodemailer';
import type { DeliveryOutcome } from '../../domain/notification.ts';
import type { Clock } from '../../std/clock.ts';
import { mimeOptions } from './mime.ts';
import type { Notifier, OutgoingMessage } from './notifier.ts';
import { classify, replyLine, type Scrub } from './smtp-outcome.ts';
import type { SmtpSettings } from './smtp-settings.ts';

export interface EmailTimeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly silenceMs: number;
  readonly messageMs: number;
}

/**
 * A server that looks for viruses before it answers takes its time, and one that is not waited for has taken the message all
 * the same: every repeat would be a further copy. So the silence is long, though RFC 5321 (4.5.3.2.6) asks for 10 minutes.
 */
const TIMEOUTS: EmailTimeouts = { connectMs: 15_000, greetingMs: 15_000, silenceMs: 60_000, messageMs: 90_000 };
const CONNECTIONS_MAX = 6;
const MESSAGES_PER_CONNECTION_MAX = 1000;
const REPEATS_MAX = 1;

export function createEmailNotifier(options: { settings: SmtpSettings; from: string; clock: Clock; timeouts?: EmailTimeouts }): Notifier {
  const { settings, from, clock, timeouts = TIMEOUTS } = options;
  const server = `${settings.host.includes(':') ? `[${settings.host}]` : settings.host}:${settings.port}`;
  const transport = createTransport({
    pool: true,
    host: settings.host,
    port: settings.port,
    secure: settings.secure,
    requireTLS: settings.requireTls,
    tls: { rejectUnauthorized: settings.checkCertificate, ...(settings.ca !== null && { ca: settings.ca }) },
    ...(settings.auth && { auth: { user: settings.auth.user, pass: settings.auth.password } }),
    maxConnections: CONNECTIONS_MAX,
    maxMessages: MESSAGES_PER_CONNECTION_MAX,
    maxRequeues: REPEATS_MAX,
    connectionTimeout: timeouts.connectMs,
    greetingTimeout: timeouts.greetingMs,
    socketTimeout: timeouts.silenceMs,
    dnsTimeout: timeouts.connectMs,
  });
  const scrub = scrubber(settings);

  async function send(message: OutgoingMessage, signal: AbortSignal): Promise<DeliveryOutcome> {
    const deadline = new AbortController();
    const cancel = clock.after(timeouts.messageMs, () => deadline.abort());
    try {
      const info = await transport.sendMail({
        ...mimeOptions(message, from),
        xMailer: false,
        signal: AbortSignal.any([signal, deadline.signal]),
      });
      return { outcome: 'delivered', detail: `${server} answered ${replyLine(scrub(info.response ?? 'yes'))}` };
    } catch (error) {
      if (deadline.signal.aborted) {
        return { outcome: 'retryable', detail: `${server} took longer than ${Math.round(timeouts.messageMs / 1000)} s for one message` };
      }
      return classify(error, server, scrub);
    } finally {
      cancel();
    }
  }

  return {
    send,
    async close() {
      transport.close({ force: true });
    },
  };
}

/**
 * Blots the credentials out of what a server sends back, in every form in which they cross the wire or come back from it: as
 * they are, percent-encoded, escaped, with what is not ASCII replaced, and in base64, of which a part is enough.
 */
function scrubber({ auth }: SmtpSettings): Scrub {
  if (auth === null || auth.password === '') return (text) => text;
  const { user, password } = auth;
  const bytes = Buffer.from(password).toString('latin1');
  const plain = [password, bytes, bytes.replace(/[^\x20-\x7e]/g, '?'), JSON.stringify(password).slice(1, -1), encodeURIComponent(password)];
  const encoded = [password, `\u0000${user}\u0000${password}`, `${user}\u0000${user}\u0000${password}`].map((text) =>
    Buffer.from(text).toString('base64').replace(/=+$/, ''),
  );
  // The longest first: one form may be a part of another. Servers change blanks as they please.
  const patterns = [...plain, ...encoded]
    .map((form) => form.trim())
    .filter((form) => form !== '')
    .sort((a, b) => b.length - a.length)
    .map((form) => form.split(/\s+/).map(escaped).join('\\s+'));
  if (patterns.length === 0) return (text) => text;
  const secret = new RegExp(patterns.join('|'), 'g');
  return (text) => text.replace(secret, BLOT).replace(BASE64, (run) => (encoded.some((form) => form.includes(run)) ? BLOT : run));
}
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
const BLOT = '***';
const BASE64 = /[A-Za-z0-9+/]{8,}/g;
