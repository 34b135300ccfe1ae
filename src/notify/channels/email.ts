/**
 * E-mail over SMTP, on a few connections that stay open. One message, one recipient, one answer. Every wait is bounded:
 * connecting, the greeting, silence, and the whole of a message, for a server that trickles its answers.
 *
 * The pool's own retries are off: what fails comes back with its reason, and the outbox decides. A connection that ended
 * after the message was handed over but before the answer is retryable; the repeat bears the same Message-ID.
 */
import { createTransport } from 'nodemailer';
import type { DeliveryOutcome } from '../../domain/notification.ts';
import type { Clock } from '../../std/clock.ts';
import { messageOf } from '../../std/errors.ts';
import { mimeOptions } from './mime.ts';
import type { Notifier, OutgoingMessage } from './notifier.ts';
import type { SmtpSettings } from './smtp-settings.ts';

export interface EmailTimeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly silenceMs: number;
  readonly messageMs: number;
}

const TIMEOUTS: EmailTimeouts = { connectMs: 15_000, greetingMs: 15_000, silenceMs: 30_000, messageMs: 60_000 };
const CONNECTIONS_MAX = 6;
const MESSAGES_PER_CONNECTION_MAX = 1000;
const DETAIL_LENGTH_MAX = 500;

export function createEmailNotifier(options: { settings: SmtpSettings; from: string; clock: Clock; timeouts?: EmailTimeouts }): Notifier {
  const { settings, from, clock, timeouts = TIMEOUTS } = options;
  const server = `${settings.host}:${settings.port}`;
  const transport = createTransport({
    pool: true,
    host: settings.host,
    port: settings.port,
    secure: settings.secure,
    requireTLS: settings.requireTls,
    tls: { rejectUnauthorized: settings.checkCertificate },
    ...(settings.auth && { auth: { user: settings.auth.user, pass: settings.auth.password } }),
    maxConnections: CONNECTIONS_MAX,
    maxMessages: MESSAGES_PER_CONNECTION_MAX,
    maxRequeues: 0,
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
      return { outcome: 'delivered', detail: shorten(scrub(`${server} answered ${info.response ?? 'yes'}`)) };
    } catch (error) {
      if (deadline.signal.aborted) {
        return { outcome: 'retryable', detail: `${server} took longer than ${Math.round(timeouts.messageMs / 1000)} s for one message` };
      }
      const outcome = classify(error, server);
      return { ...outcome, detail: shorten(scrub(outcome.detail)) };
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

interface SmtpError {
  readonly code: string;
  /** What the system or TLS library called it. */
  readonly cause: string;
  /** 0: the server did not answer. */
  readonly reply: number;
  readonly command: string;
  readonly message: string;
}

/** The outcome of an error. Exported for its table test. */
export function classify(error: unknown, server: string): DeliveryOutcome {
  const smtp = fieldsOf(error);
  const said = `${server}: ${smtp.message}`;
  if (isCertificateFault(smtp)) {
    const detail = `${said} (the certificate of the mail server is not trusted: mend it, add its authority with NODE_EXTRA_CA_CERTS, or, if you accept that, add ?tls.rejectUnauthorized=false to email.smtp)`;
    return { outcome: 'permanent', detail, isMendable: true };
  }
  if (smtp.code === 'ETLS') {
    const detail = `${said} (no encrypted connection could be made: use smtps:// if the server speaks TLS at once; ?requireTLS=false sends without it)`;
    return { outcome: 'permanent', detail, isMendable: true };
  }
  const isAuth = smtp.code === 'EAUTH' || smtp.code === 'ENOAUTH' || smtp.reply === 530 || smtp.reply === 535;
  if (isAuth && (smtp.reply >= 500 || smtp.reply === 0)) {
    return { outcome: 'permanent', detail: `${said} (check user and password in email.smtp)`, isMendable: true };
  }
  if (smtp.reply >= 400 && smtp.reply < 500) return { outcome: 'retryable', detail: said };
  // 503 says that the session was in the wrong state, not that the message was refused.
  if (smtp.reply >= 500 && smtp.reply < 600 && smtp.reply !== 503) {
    const isOurs = !['RCPT TO', 'DATA'].includes(smtp.command);
    const detail = isOurs ? `${said} (the server does not take mail from here: check email.smtp and email.from)` : said;
    return { outcome: 'permanent', detail, isMendable: isOurs };
  }
  const isOfTheMessage = smtp.reply === 0 && ['EENVELOPE', 'EMESSAGE'].includes(smtp.code);
  if (isOfTheMessage) return { outcome: 'permanent', detail: said, isMendable: false };
  return { outcome: 'retryable', detail: said };
}

const CERTIFICATE_CODES = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/;
const isCertificateFault = ({ code, cause, message }: SmtpError): boolean =>
  CERTIFICATE_CODES.test(cause) || (['ETLS', 'ESOCKET', 'ECONNECTION'].includes(code) && /certificate|altname/i.test(message));

function fieldsOf(error: unknown): SmtpError {
  const text = (name: string): string => {
    const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  return {
    code: text('code'),
    cause: text('originalCode'),
    reply: Number(text('responseCode')) || 0,
    command: text('command'),
    message: messageOf(error).replace(/\s+/g, ' ').trim(),
  };
}

/** Blots the credentials out of what a server sends back, in the forms in which they cross the wire. */
function scrubber({ auth }: SmtpSettings): (text: string) => string {
  if (auth === null || auth.password === '') return (text) => text;
  const { user, password } = auth;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const forms = [password, base64(password), base64(`\u0000${user}\u0000${password}`), encodeURIComponent(password)];
  return (text) => forms.reduce((rest, form) => rest.replaceAll(form, '***'), text);
}

const shorten = (text: string): string => (text.length <= DETAIL_LENGTH_MAX ? text : `${text.slice(0, DETAIL_LENGTH_MAX - 1)}…`);
