/**
 * An SMTP URL as settings. Safe by default: with a password, a server elsewhere must offer TLS; certificates are checked,
 * except on the loopback interface, where mail programs come with a self-signed one and nobody can stand in between.
 * No error repeats the URL, which holds the password.
 */
import { TocsinError } from '../../std/errors.ts';

export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS where offered. */
  readonly secure: boolean;
  readonly requireTls: boolean;
  readonly checkCertificate: boolean;
  readonly auth: { readonly user: string; readonly password: string } | null;
}

const EXAMPLE = 'smtp://user:password@mail.example.org:587 or smtps://user:password@mail.example.org:465';
const PORTS = { 'smtp:': 587, 'smtps:': 465 };
const PARAMETERS = ['requireTLS', 'tls.rejectUnauthorized'];

export function smtpSettings(text: string): SmtpSettings {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:') || url.hostname === '') {
    throw new TocsinError('email.smtp is no SMTP address', { hint: `write it like ${EXAMPLE}; special characters in a password as %xx` });
  }
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.includes(name))
      throw new TocsinError(`email.smtp: unknown parameter ${JSON.stringify(name)}`, { hint: `known: ${PARAMETERS.join(', ')}` });
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isLoopback = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
  const secure = url.protocol === 'smtps:';
  const auth = url.username === '' ? null : { user: decoded(url.username), password: decoded(url.password) };
  return {
    host,
    port: url.port === '' ? PORTS[url.protocol] : Number(url.port),
    secure,
    requireTls: flagOf(url, 'requireTLS') ?? (!secure && auth !== null && !isLoopback),
    checkCertificate: flagOf(url, 'tls.rejectUnauthorized') ?? !isLoopback,
    auth,
  };
}

function flagOf(url: URL, name: string): boolean | null {
  const value = url.searchParams.get(name);
  if (value === null || value === 'true' || value === 'false') return value === null ? null : value === 'true';
  throw new TocsinError(`email.smtp: ${name} is true or false`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new TocsinError('email.smtp: user or password has a % that begins no %xx', { hint: 'write % itself as %25', cause });
  }
}
