/**
 * An SMTP URL as settings. Safe by default: with a password, a server elsewhere must offer TLS; certificates are checked,
 * except on the loopback interface, where mail programs come with a self-signed one and nobody can stand in between, unless
 * an authority is named (`?tls.ca=/etc/ssl/mail-ca.pem`), which is then the only one that is trusted.
 * No error repeats the URL, which holds the password.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { messageOf, TocsinError } from '../../std/errors.ts';

export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS where offered. */
  readonly secure: boolean;
  readonly requireTls: boolean;
  readonly checkCertificate: boolean;
  /** The authorities that are trusted, PEM; null: the well-known ones. */
  readonly ca: string | null;
  readonly auth: { readonly user: string; readonly password: string } | null;
}

const EXAMPLE = 'smtp://user:password@mail.example.org:587 or smtps://user:password@mail.example.org:465';
const PORTS = { 'smtp:': 587, 'smtps:': 465 };
const PARAMETERS = ['requireTLS', 'tls.rejectUnauthorized', 'tls.ca'];

export function smtpSettings(text: string): SmtpSettings {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:') || url.hostname === '') {
    throw new TocsinError('email.smtp is no SMTP address', { hint: `write it like ${EXAMPLE}; special characters in a password as %xx` });
  }
  // A # / or ? of a password ends the host early: what follows would be ignored, and what precedes shown as the server.
  if (url.hash !== '' || !['', '/'].includes(url.pathname) || url.search.includes('@')) {
    throw new TocsinError('email.smtp holds more than an SMTP address', {
      hint: `write it like ${EXAMPLE}; special characters in a password as %xx`,
    });
  }
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.includes(name))
      throw new TocsinError(`email.smtp: unknown parameter ${JSON.stringify(name)}`, { hint: `known: ${PARAMETERS.join(', ')}` });
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isLoopback = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
  const secure = url.protocol === 'smtps:';
  const auth = url.username === '' ? null : { user: decoded(url.username), password: decoded(url.password) };
  const ca = authorities(url.searchParams.get('tls.ca'));
  return {
    host,
    port: url.port === '' ? PORTS[url.protocol] : Number(url.port),
    secure,
    requireTls: flagOf(url, 'requireTLS') ?? (!secure && auth !== null && !isLoopback),
    checkCertificate: flagOf(url, 'tls.rejectUnauthorized') ?? (ca !== null || !isLoopback),
    ca,
    auth,
  };
}

/** The content of the file, of which every certificate has been read. */
function authorities(path: string | null): string | null {
  if (path === null) return null;
  const place = `email.smtp: tls.ca ${JSON.stringify(path)}`;
  if (!isAbsolute(path)) throw new TocsinError(`${place} is no absolute path`, { hint: 'write ?tls.ca=/etc/ssl/mail-ca.pem' });
  const hint = 'a PEM file with the certificate of the authority (-----BEGIN CERTIFICATE-----)';
  try {
    const text = readFileSync(path, 'utf8');
    const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (certificates.length === 0) throw new Error('it holds no certificate');
    for (const certificate of certificates) new X509Certificate(certificate);
    return certificates.join('\n');
  } catch (cause) {
    throw new TocsinError(`${place} cannot be read: ${messageOf(cause)}`, { hint, cause });
  }
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
