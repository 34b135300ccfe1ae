/**
 * What a failed SMTP conversation means for the message, and what a person can do about it. Pure.
 *
 *     retryable             refused for now (4xx), no answer, connection lost
 *     permanent, mendable   our own settings or the server's: certificate, TLS, login, sender, relaying
 *     permanent             this recipient or this message is refused for good
 *
 * A server that puts off its refusals, as Postfix does, names the sender or the client at fault only when the recipient's
 * turn comes: the text tells whom it means. In doubt (5.7.1, "Access denied", is said of recipients as well as to those who
 * have not logged in) it is ours, so that nothing is given up that a login would have delivered.
 */
import type { DeliveryOutcome } from '../../domain/notification.ts';
import { messageOf } from '../../std/errors.ts';
import { oneLine } from '../mail/mail-text.ts';

/** What a server says at length must not hide what to do about it. */
const SAID_LENGTH_MAX = 400;

/** Blots secrets out of what a server sent back. */
export type Scrub = (text: string) => string;

interface SmtpError {
  readonly code: string;
  /** What the system or TLS library called it. */
  readonly cause: string;
  /** 0: the server did not answer. */
  readonly reply: number;
  readonly command: string;
  /** The server's own words, on one line; without any, the library's. */
  readonly said: string;
}

export function classify(error: unknown, server: string, scrub: Scrub = (text) => text): DeliveryOutcome {
  const smtp = fieldsOf(error, scrub);
  const { code, reply, command, said } = smtp;
  const told = reply === 0 ? `${server}: ${said}` : `${server} answered ${said}`;
  const mendable = (advice: string): DeliveryOutcome => ({ outcome: 'permanent', detail: `${told} (${advice})`, isMendable: true });
  const forGood = (detail: string): DeliveryOutcome => ({ outcome: 'permanent', detail, isMendable: false });

  if (isCertificateFault(smtp)) return mendable(certificateAdvice(smtp));
  if (NO_TLS_THERE.test(smtp.cause)) {
    return mendable('the server does not speak TLS at once, or only an old version: smtp:// in email.smtp is for STARTTLS');
  }
  if (reply >= 400 && reply < 500) return { outcome: 'retryable', detail: told };
  // A connection that ended during the handshake says nothing about the settings.
  if (code === 'ETLS' && !(reply === 0 && /closed/.test(said))) {
    return mendable('the server offers no encryption: use smtps:// if it speaks TLS at once; ?requireTLS=false sends without');
  }
  const isAuth = code === 'EAUTH' || code === 'ENOAUTH' || reply === 530 || reply === 535;
  if (isAuth && (reply >= 500 || reply === 0)) return mendable('check user and password in email.smtp');
  // 503 says that the session was in the wrong state, not that the message was refused.
  if (reply >= 500 && reply < 600 && reply !== 503) {
    if (isTooLarge(smtp)) return forGood(`${told} (the message is larger than the server takes)`);
    const isOfRecipient = command === 'RCPT TO' && !/^5\d\d 5\.7\./.test(said);
    if ((isOfRecipient || command === 'DATA') && !NOT_THE_RECIPIENT.test(said))
      return { outcome: 'permanent', detail: told, isMendable: false };
    return mendable('the server does not take this from here: check email.smtp, its user and password, and email.from');
  }
  if (reply === 0 && ['EENVELOPE', 'EMESSAGE'].includes(code)) return forGood(told);
  if (/^Greeting never received/.test(said)) {
    return { outcome: 'retryable', detail: `${told} (if the server speaks TLS at once, use smtps:// in email.smtp)` };
  }
  return { outcome: 'retryable', detail: told };
}

/** Codes 5.1.7 and 5.1.8 are about the sender's address; the rest is how Postfix, Exim and Exchange put it. */
const NOT_THE_RECIPIENT =
  /^5\d\d 5\.1\.[78]\b|\brelay|client host|sender address|helo command|sender verif|authenticat|send as this sender/i;
const CERTIFICATE_CODES = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/;
const NO_TLS_THERE = /^ERR_SSL_(?:WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL|TLSV1_ALERT_PROTOCOL_VERSION|PACKET_LENGTH_TOO_LONG)$/;

/** 5.3.4 and 5.2.3 say that it is; 552 alone may be a full mailbox as well. */
const isTooLarge = ({ reply, said }: SmtpError): boolean =>
  /^5\d\d 5\.(?:3\.4|2\.3)\b/.test(said) || (reply === 552 && /\bsize\b|too (?:big|large)/i.test(said));

const isCertificateFault = ({ code, cause, reply, said }: SmtpError): boolean =>
  CERTIFICATE_CODES.test(cause) || (reply === 0 && ['ETLS', 'ESOCKET', 'ECONNECTION'].includes(code) && /certificate|altname/i.test(said));

function certificateAdvice({ cause }: SmtpError): string {
  const otherwise = 'if you accept whoever answers there, ?tls.rejectUnauthorized=false';
  if (cause === 'CERT_HAS_EXPIRED') return `the certificate of the mail server has expired: renew it there; ${otherwise}`;
  if (cause === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of the mail server is for another name: write in email.smtp the one that it bears; ${otherwise}`;
  }
  return `the certificate of the mail server is not trusted: add ?tls.ca=/path/to/its-authority.pem to email.smtp; ${otherwise}`;
}

/** The library's words for what a reader of ours cannot know. */
const PLAIN: Readonly<Record<string, string>> = {
  Timeout: 'Timeout, the server did not answer in time',
  'Reached maximum number of retries after connection was closed': 'the connection was closed before the message was taken',
};

function fieldsOf(error: unknown, scrub: Scrub): SmtpError {
  const text = (name: string): string => {
    const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  const reply = Number(text('responseCode')) || 0;
  const response = reply === 0 ? '' : text('response');
  const message = text('message') || messageOf(error);
  return {
    code: text('code'),
    cause: text('originalCode'),
    reply,
    command: text('command'),
    said: replyLine(scrub(response === '' ? (PLAIN[message] ?? message) : response)),
  };
}

/** One line of what a server said, of which the code stands at the beginning only. */
export const replyLine = (text: string): string =>
  oneLine(text.replace(/^(\d{3})-/, '$1 ').replace(/\r?\n\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3} )?/g, ' '), SAID_LENGTH_MAX);
