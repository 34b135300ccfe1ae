/** Where the HTTP channels may post to, and what they make of TLS, of peers that do not read, and of `Retry-After`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer, type LookupFunction, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createHttpPost, type HttpPostOptions, retryAfterMs } from '../../../src/notify/channels/http-post.ts';
import { isPublicAddress } from '../../../src/notify/channels/public-address.ts';
import { scrubber, secretsOf } from '../../../src/notify/channels/scrub.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { startHttpPeer } from './http-peer.ts';
import { newSecret } from './message.ts';
import { startSmtp } from './smtp.ts';

const never = new AbortController().signal;
const timeouts = { connectMs: 1000, wholeMs: 1000, answerMs: 200 };

const postTo = (
  url: string,
  { allowPrivate, body = '{}', ...options }: { allowPrivate: boolean; body?: string } & Partial<HttpPostOptions>,
) => createHttpPost({ clock, version: '1.2.3', timeouts, ...options }).post({ url, body, allowPrivate }, never);

describe('an address that is not public', () => {
  it.each([
    'http://127.0.0.1',
    'http://127.1.2.3',
    'http://127.1',
    'http://2130706433',
    'http://0x7f000001',
    'http://0177.0.0.1',
    'http://127.0.0.1.',
    'http://0.0.0.0',
    'http://[::1]',
    'http://[::]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]',
    'http://[::127.0.0.1]',
    'http://[64:ff9b::127.0.0.1]',
    'http://169.254.169.254',
    'http://[fd00:ec2::254]',
    'http://10.0.0.1',
    'http://172.31.255.255',
    'http://192.168.1.1',
    'http://100.64.0.1',
    'http://224.0.0.1',
    'http://255.255.255.255',
    'http://[fe80::1]',
    'http://[fc00::1]',
    'http://[ff02::1]',
    'http://localhost',
  ])('is refused for good, however it is spelled, and nothing connects: %s', async (origin) => {
    await using peer = await startHttpPeer();
    const outcome = await postTo(`${origin}:${peer.port}/s3cret-path`, { allowPrivate: false });
    expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringContaining('allowPrivate: true') });
    expect(outcome.detail).not.toContain('s3cret');
    expect(peer.accepted()).toBe(0);
  });

  it.each(['http://127.0.0.1', 'http://2130706433', 'http://localhost'])('is posted to when it is allowed: %s', async (origin) => {
    await using peer = await startHttpPeer();
    const outcome = await postTo(`${origin}:${peer.port}/x`, { allowPrivate: true });
    expect(outcome).toEqual({ outcome: 'delivered', detail: expect.stringMatching(/^(?:127\.0\.0\.1|localhost):\d+ answered 200$/) });
    expect(peer.posted[0]).toMatchObject({ method: 'POST', path: '/x', body: '{}' });
    expect(peer.posted[0]?.headers).toMatchObject({ 'user-agent': 'Tocsin/1.2.3', 'content-type': 'application/json' });
  });

  /** A DNS that gives other answers from time to time. */
  function changing(answers: readonly string[]): { lookup: LookupFunction; asked: () => number } {
    let asked = 0;
    const lookup: LookupFunction = (_host, options, callback) => {
      const address = answers[asked] ?? '';
      asked += 1;
      const family = address.includes(':') ? 6 : 4;
      if (options.all === true) callback(null, [{ address, family }]);
      else callback(null, address, family);
    };
    return { lookup, asked: () => asked };
  }

  it('is refused behind a name, which is asked for once and connected to as it was checked', async () => {
    await using peer = await startHttpPeer();
    const dns = changing(['127.0.0.1', '::ffff:127.0.0.1', '127.0.0.1']);
    const url = `http://rebind.example.org:${peer.port}/`;
    for (let round = 1; round <= 2; round++) {
      const outcome = await postTo(url, { allowPrivate: false, lookup: dns.lookup });
      expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringContaining('127.0.0.1') });
      expect(dns.asked()).toBe(round);
    }
    expect(peer.accepted()).toBe(0);
    expect((await postTo(url, { allowPrivate: true, lookup: dns.lookup })).outcome).toBe('delivered');
    expect(peer.posted[0]?.headers.host).toBe(`rebind.example.org:${peer.port}`);
  });

  it('is left out where a name has public ones as well', async () => {
    await using peer = await startHttpPeer();
    const lookup: LookupFunction = (_host, _options, callback) =>
      callback(null, [
        { address: '127.0.0.1', family: 4 },
        // Of a network in which nothing answers from here: what matters is that the other one was not taken.
        { address: '240.0.0.1', family: 4 },
        { address: '2600::', family: 6 },
      ]);
    const outcome = await postTo(`http://both.example.org:${peer.port}/`, {
      allowPrivate: false,
      lookup,
      timeouts: { ...timeouts, connectMs: 300 },
    });
    expect(outcome.outcome).toBe('retryable');
    expect(peer.accepted()).toBe(0);
  });

  it.each([
    ['8.8.8.8', true],
    ['172.32.0.1', true],
    ['2606:4700::1111', true],
    ['64:ff9b::8.8.8.8', true],
    ['64:ff9b::a9fe:a9fe', false],
    ['64:ff9b::1', false],
    ['2002:7f00:1::', false],
    ['2001:0:1::', false],
    ['fe80::1%eth0', false],
    ['::ffff:8.8.8.8', false],
    ['example.org', false],
    ['', false],
  ])('%s: public is %s', (address, expected) => expect(isPublicAddress(address)).toBe(expected));
});

describe('a name that nobody knows', () => {
  it('is worth another try, and its host is named', async () => {
    const outcome = await postTo('https://nobody.invalid/s3cret-path', { allowPrivate: false });
    expect(outcome).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('nobody.invalid gave no answer') });
    expect(outcome.detail).not.toContain('s3cret');
  });
});

describe('a peer that does not read', () => {
  it('is given up within the bound, however much is to be sent', async () => {
    const sockets = new Set<Socket>();
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const startMs = performance.now();
    const outcome = await postTo(`http://127.0.0.1:${port}/`, { allowPrivate: true, body: 'x'.repeat(20_000_000) });
    expect(outcome).toMatchObject({ outcome: 'retryable', detail: expect.stringContaining('did not answer within 1 s') });
    expect(performance.now() - startMs).toBeLessThan(2500);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
});

/** A certificate of our own for localhost, or null where there is no openssl. */
function certificate(): { key: string; cert: string } | null {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('over TLS', () => {
  it('refuses an untrusted certificate for good, saying what to do', async () => {
    await using server = await startSmtp({ options: { secure: true, disabledCommands: [] } });
    const outcome = await postTo(`https://127.0.0.1:${server.port}/s3cret-path`, { allowPrivate: true });
    expect(outcome).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringContaining('NODE_EXTRA_CA_CERTS') });
    expect(outcome.detail).not.toContain('s3cret');
  });

  it('delivers where the authority is trusted and the name is right, and nowhere else', async ({ skip }) => {
    const own = certificate();
    if (own === null) return skip('there is no openssl');
    let posted = 0;
    const server = createTlsServer(own, (request, response) => {
      posted += 1;
      request.resume();
      response.end('ok');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const trusted = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...trusted, own.cert]);
    try {
      expect(await postTo(`https://localhost:${port}/`, { allowPrivate: true })).toMatchObject({ outcome: 'delivered' });
      const other = await postTo(`https://127.0.0.1:${port}/`, { allowPrivate: true });
      expect(other).toMatchObject({ outcome: 'permanent', isMendable: true, detail: expect.stringContaining('certificate') });
      expect(posted).toBe(1);
    } finally {
      tls.setDefaultCACertificates(trusted);
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1) * 1000;
  it.each([
    ['7', 7000],
    [' 0 ', 0],
    ['99999999', 3_600_000],
    ['Thu, 01 Jan 2026 00:01:30 GMT', 90_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['Fri, 01 Jan 2027 00:00:00 GMT', 3_600_000],
    ['-5', null],
    ['soon', null],
    ['1.5', null],
    ['XYZ GMT', null],
    ['', null],
    [undefined, null],
  ])('%j is %j ms', (header, expected) => expect(retryAfterMs(header, now)).toBe(expected));
});

describe('what a server repeats of a secret', () => {
  it('is blotted out in every spelling', () => {
    const secret = `${newSecret()}/+ä"`;
    const scrub = scrubber([secret]);
    const spelled = [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      JSON.stringify(secret),
      secret.toUpperCase(),
    ];
    expect(scrub(spelled.join(' and '))).toBe('*** and *** and *** and "***" and ***');
  });

  it('is every part of a URL but its origin', () => {
    const url = new URL('https://me:pässword%2F1@example.org/services/T0000/tok%20en1?sig=a%2Bb%2Bc%2Bd#fragment');
    const scrub = scrubber(secretsOf(url));
    const shown = scrub(`${url.href} T0000 tok en1 a+b+c+d pässword/1 ${Buffer.from('me:pässword/1').toString('base64')}`);
    expect(shown).not.toMatch(/T0000|tok|en1|a\+b|password|ssword|fragment|bWU6/);
    expect(shown).toContain('example.org');
  });

  it('is nothing where there is no secret', () => expect(scrubber(secretsOf(new URL('https://example.org/')))('a / b')).toBe('a / b'));
});
