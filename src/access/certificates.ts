/**
 * The certificate and key that TLS listeners show, and the authority that client certificates are checked against: read from their
 * files, with what is wrong with them said of the file that has to be mended.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf, TocsinError } from '../std/errors.ts';

export interface TlsFiles {
  /** PEM; absolute, like the others. The server's certificate, and those between it and the root. */
  readonly cert: string;
  readonly key: string;
  /** Who vouches for client certificates; null: nobody. */
  readonly ca: string | null;
  readonly clientCert: 'off' | 'optional' | 'required';
}

export interface TlsContent {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly minVersion: 'TLSv1.2';
}

const DAY_MS = 86_400_000;
const EXPIRES_SOON_DAYS = 14;

/** @returns problems instead, when it could not serve */
export function readTls(files: TlsFiles): TlsContent | readonly TocsinError[] {
  const problems: TocsinError[] = [];
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      problems.push(new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path, hint: 'see mqtt.tls in the config', cause }));
      return '';
    }
  };
  const [cert, key, ca] = [read(files.cert), read(files.key), files.ca === null ? null : read(files.ca)];
  if (problems.length > 0) return problems;
  const certificate = certificateIn(cert, files.cert, problems);
  if (ca !== null && files.ca !== null) certificateIn(ca, files.ca, problems);
  try {
    const privateKey = createPrivateKey(key);
    if (certificate !== null && !certificate.checkPrivateKey(privateKey))
      problems.push(new TocsinError(`is not the key of ${files.cert}`, { place: files.key, hint: 'the two are made together' }));
  } catch {
    // What the library says of it may quote it.
    problems.push(
      new TocsinError('is no private key in PEM, or one with a passphrase', {
        place: files.key,
        hint: 'without a passphrase, readable by this user only',
      }),
    );
  }
  if (problems.length > 0) return problems;
  const content: TlsContent = { cert, key, ...(ca === null ? {} : { ca }), minVersion: 'TLSv1.2' };
  try {
    createSecureContext(content);
    return content;
  } catch (cause) {
    return [
      new TocsinError(`cannot be used for TLS: ${messageOf(cause)}`, {
        place: files.cert,
        hint: 'RSA of 2048 bits or more, or ECDSA',
        cause,
      }),
    ];
  }
}

/** What is allowed, but most likely not meant. */
export function expiryOf({ cert }: TlsContent, path: string, nowMs: number): TocsinError | null {
  const until = new X509Certificate(cert).validToDate.getTime();
  const days = Math.floor((until - nowMs) / DAY_MS);
  if (days >= EXPIRES_SOON_DAYS) return null;
  const message = days < 0 ? 'the certificate has expired: no client will trust it' : `the certificate expires in ${days} days`;
  return new TocsinError(message, { place: path, hint: 'put a new one into the file: it is taken up without a restart' });
}

function certificateIn(text: string, path: string, problems: TocsinError[]): X509Certificate | null {
  try {
    return new X509Certificate(text);
  } catch {
    problems.push(new TocsinError('is no certificate in PEM', { place: path, hint: 'it begins with -----BEGIN CERTIFICATE-----' }));
    return null;
  }
}
