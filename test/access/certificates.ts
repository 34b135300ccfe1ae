/** Certificates for tests, made by openssl: an authority, a server's and clients'. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Authority {
  /** The authority's own certificate. */
  readonly ca: string;
  /** Makes `NAME.pem` and `NAME.key`, for a client or a server of this machine. */
  issue(name: string, options?: { readonly commonName?: string; readonly names?: string }): { readonly cert: string; readonly key: string };
}

export function createAuthority(folder: string, name = 'ca'): Authority {
  const path = (file: string): string => join(folder, file);
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const key = (file: string): string[] => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path(file)];
  openssl('req', '-x509', ...key(`${name}.key`), '-out', path(`${name}.pem`), '-days', '365', '-subj', `/CN=test authority ${name}`);
  return {
    ca: path(`${name}.pem`),
    issue(subject, { commonName = subject, names = 'IP:127.0.0.1,DNS:localhost' } = {}) {
      writeFileSync(path(`${subject}.ext`), `subjectAltName=${names}\n`);
      openssl('req', '-new', ...key(`${subject}.key`), '-out', path(`${subject}.csr`), '-subj', `/CN=${commonName}`);
      const authority = ['-CA', path(`${name}.pem`), '-CAkey', path(`${name}.key`), '-CAcreateserial'];
      openssl(
        'x509',
        '-req',
        '-in',
        path(`${subject}.csr`),
        ...authority,
        '-days',
        '365',
        '-out',
        path(`${subject}.pem`),
        '-extfile',
        path(`${subject}.ext`),
      );
      return { cert: path(`${subject}.pem`), key: path(`${subject}.key`) };
    },
  };
}
