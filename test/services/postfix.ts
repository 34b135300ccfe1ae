/**
 * A private Postfix: its own configuration, queue and mailboxes in a temporary folder, several listeners on free ports of
 * loopback, none on 25. It asks this process two things as it would ask others in earnest: a policy service what to answer to a
 * recipient (how greylisting works), and, in Dovecot's protocol, whether a login is good.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Available, freePort, obtainBinary, ServerProcess, temporaryFolder, unavailable } from './service.ts';

const run = promisify(execFile);
const MAIL_TIMEOUT_MS = 10_000;
const LIFETIME_S = 900;
const NOBODY_ID = 65_534;
/** What it has mailboxes for; the second domain is bücher.example. */
const DOMAINS = ['example.org', 'xn--bcher-kva.example'];
const MAILBOXES = ['pharmacy@example.org', 'night@example.org', 'ops@xn--bcher-kva.example'];
export const SIZE_MAX = 40_000;

/** What each listener is for. Where a certificate is named, STARTTLS is offered; `wrapped` speaks TLS at once. */
const LISTENERS = {
  /** Without TLS, so that a proxy in between can read along. Asks the policy service. */
  open: ['smtpd_tls_security_level=none', 'smtpd_recipient_restrictions=reject_unauth_destination,check_policy_service,$policy'],
  /** As providers run port 587: encryption and a login are required. */
  submission: ['smtpd_tls_security_level=encrypt', ...login('plain')],
  /** As providers run port 465. */
  wrapped: ['smtpd_tls_wrappermode=yes', 'smtpd_tls_security_level=encrypt', ...login('login')],
  /** Requires a login, and takes none without encryption, which it cannot do. */
  cleartext: ['smtpd_tls_security_level=none', ...login('plain')],
  expired: ['smtpd_tls_security_level=may', 'smtpd_tls_chain_files=$folder/expired.pem'],
  misnamed: ['smtpd_tls_security_level=may', 'smtpd_tls_chain_files=$folder/misnamed.pem'],
  small: ['smtpd_tls_security_level=none', `message_size_limit=${SIZE_MAX}`],
  /** Loses patience at the fourth error of a session. */
  strict: ['smtpd_tls_security_level=none', 'smtpd_hard_error_limit=4', 'smtpd_soft_error_limit=100'],
} as const;

function login(mechanism: string): string[] {
  return [
    'smtpd_sasl_auth_enable=yes',
    'smtpd_tls_auth_only=yes',
    `smtpd_sasl_mechanism_filter=${mechanism}`,
    'smtpd_recipient_restrictions=permit_sasl_authenticated,reject',
  ];
}

export type ListenerName = keyof typeof LISTENERS;

export interface Postfix extends AsyncDisposable {
  readonly ports: Readonly<Record<ListenerName, number>>;
  /** The authority that its certificates are from. */
  readonly caFile: string;
  readonly process: ServerProcess;
  readonly hasIpv6: boolean;
  /** Answers the policy service: an action of access(5), such as `dunno` or `450 4.2.0 later`. */
  policy: (asked: { readonly recipient: string; readonly sender: string }) => string;
  /** Good logins: user → password. */
  readonly users: Map<string, string>;
  /** Waits until so many messages with this Message-ID lie in the mailbox, and returns them as they are, oldest first. */
  mails(address: string, wanted: { readonly messageId: string; readonly count?: number }): Promise<string[]>;
  log(): Promise<string>;
}

export async function startPostfix(): Promise<Available<Postfix>> {
  if (process.getuid?.() !== 0) return unavailable('only root can start Postfix');
  const binary = await obtainBinary('postfix', 'postfix');
  if (!binary.available) return binary;
  const openssl = await obtainBinary('openssl', 'openssl');
  if (!openssl.available) return openssl;

  const folder = await temporaryFolder('postfix');
  // Its processes give up root, and have to get through.
  await chmod(folder, 0o755);
  await makeCertificates(openssl.value, folder);
  const users = new Map<string, string>();
  const postfix: { policy: Postfix['policy'] } = { policy: () => 'dunno' };
  const policyServer = await serve((socket) => answerPolicy(socket, (asked) => postfix.policy(asked)));
  const loginServer = await serve((socket) => answerLogins(socket, users));
  const hasIpv6 = await canListenOn('::1');
  const ports = await freePorts();
  const variables = { folder, policy: `inet:127.0.0.1:${policyServer.port}`, login: `inet:127.0.0.1:${loginServer.port}` };
  await mkdir(join(folder, 'etc'));
  await mkdir(join(folder, 'queue'));
  await mkdir(join(folder, 'mail'));
  await chown(join(folder, 'mail'), NOBODY_ID, NOBODY_ID);
  await writeFile(join(folder, 'etc', 'main.cf'), mainConfiguration(variables));
  await writeFile(join(folder, 'etc', 'master.cf'), masterConfiguration({ ...variables, ports, hasIpv6 }));
  const configuration = ['-c', join(folder, 'etc')];
  // Makes its folders with their owners.
  await run(binary.value, [...configuration, 'check'], { timeout: 60_000 });
  const { stdout } = await run(join(dirname(binary.value), 'postconf'), ['-d', '-h', 'daemon_directory']);

  // The master itself, in the foreground: what the postfix command starts is out of reach of a signal. It ends by itself after
  // a while, should the test be killed before it can.
  const server = new ServerProcess({
    binary: join(stdout.trim(), 'master'),
    args: [...configuration, '-s', '-e', String(LIFETIME_S)],
    folder,
    isServing: () => greets(ports.open),
  });
  await server.start();
  const own: Omit<Postfix, 'policy'> = {
    ports,
    caFile: join(folder, 'ca.pem'),
    process: server,
    hasIpv6,
    users,
    mails: (address, wanted) => waitForMails(join(folder, 'mail', address, 'new'), { count: 1, ...wanted }),
    log: () => readFile(join(folder, 'maillog'), 'utf8'),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await policyServer.close();
      await loginServer.close();
    },
  };
  return { available: true, value: Object.assign(postfix, own) };
}

interface Variables {
  readonly folder: string;
  readonly policy: string;
  readonly login: string;
}

/** Nothing leaves this machine, no name is looked up, and every refusal is one that a test asked for. */
const mainConfiguration = ({ folder, login: logins }: Variables): string => `
compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
maillog_file = ${folder}/maillog
maillog_file_prefixes = ${folder}
myhostname = mail.tocsin.test
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
alias_database =
default_transport = discard:
smtpd_peername_lookup = no
smtpd_relay_restrictions =
smtpd_recipient_restrictions = reject_unauth_destination
recipient_delimiter = +
virtual_mailbox_domains = ${DOMAINS.join(', ')}
virtual_mailbox_base = ${folder}/mail
virtual_mailbox_maps = inline:{ ${MAILBOXES.map((address) => `{ ${address} = ${address}/ }`).join(', ')} }
virtual_uid_maps = static:${NOBODY_ID}
virtual_gid_maps = static:${NOBODY_ID}
smtpd_tls_chain_files = ${folder}/good.pem
smtpd_tls_received_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${logins}
smtpd_sasl_security_options = noanonymous
`;

function masterConfiguration(options: Variables & { ports: Postfix['ports']; hasIpv6: boolean }): string {
  const filled = (text: string): string =>
    text.replace(/\$(folder|policy)/g, (_, name) => (name === 'folder' ? options.folder : options.policy));
  const listeners = Object.entries(options.ports).flatMap(([name, port]) => {
    const settings = Object.entries(LISTENERS).find(([other]) => other === name)?.[1] ?? [];
    const hosts = name === 'open' && options.hasIpv6 ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'];
    return hosts.map((host) =>
      [`${host}:${port} inet n - n - - smtpd`, ...settings.map((setting) => `  -o ${filled(setting)}`)].join('\n'),
    );
  });
  return `${listeners.join('\n')}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;
}

/** An authority, and keys with certificates from it: a good one, one that has expired, one for another name. */
async function makeCertificates(openssl: string, folder: string): Promise<void> {
  const call = (...words: string[]) => run(openssl, words, { cwd: folder, timeout: 30_000 });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-subj', '/CN=Tocsin test authority', '-days', '2', '-addext', 'basicConstraints=critical,CA:TRUE'];
  await call('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', ...authority);
  const here = 'DNS:localhost,IP:127.0.0.1,IP:::1';
  for (const { name, names, days } of [
    { name: 'good', names: here, days: 2 },
    { name: 'expired', names: here, days: -1 },
    { name: 'misnamed', names: 'DNS:mail.example.com', days: 2 },
  ]) {
    await call('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=mail', '-addext', `subjectAltName=${names}`);
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', String(days), '-copy_extensions', 'copy'];
    await call('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.crt`);
    const parts = await Promise.all([`${name}.key`, `${name}.crt`].map((part) => readFile(join(folder, part), 'utf8')));
    await writeFile(join(folder, `${name}.pem`), parts.join(''), { mode: 0o600 });
  }
}

async function waitForMails(maildir: string, wanted: { messageId: string; count: number }): Promise<string[]> {
  const deadline = performance.now() + MAIL_TIMEOUT_MS;
  for (;;) {
    const names = await readdir(maildir).catch(() => []);
    const mails = await Promise.all(names.sort().map((name) => readFile(join(maildir, name), 'utf8')));
    const found = mails.filter((mail) => mail.includes(`\nMessage-ID: ${wanted.messageId}\n`));
    if (found.length >= wanted.count) return found;
    if (performance.now() > deadline) throw new Error(`${found.length} of ${wanted.count} mails ${wanted.messageId} in ${maildir}`);
    await sleep(20);
  }
}

/** Answers each request of Postfix's policy protocol: lines of name=value up to an empty one. */
function answerPolicy(socket: Socket, decide: Postfix['policy']): void {
  let pending = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    pending += chunk;
    for (let end = pending.indexOf('\n\n'); end >= 0; end = pending.indexOf('\n\n')) {
      const fields = new Map(
        pending
          .slice(0, end)
          .split('\n')
          .map((line): [string, string] => splitOnce(line, '=')),
      );
      pending = pending.slice(end + 2);
      socket.write(`action=${decide({ recipient: fields.get('recipient') ?? '', sender: fields.get('sender') ?? '' })}\n\n`);
    }
  });
}

/** Answers in Dovecot's authentication protocol, version 1: PLAIN with its response at once, LOGIN in two steps. */
function answerLogins(socket: Socket, users: ReadonlyMap<string, string>): void {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const text = (word: string): string => Buffer.from(word, 'base64').toString('utf8');
  /** Request → the user that LOGIN has named. */
  const named = new Map<string, string>();
  const settle = (id: string, user: string, password: string): string =>
    users.get(user) === password ? `OK\t${id}\tuser=${user}` : `FAIL\t${id}\tuser=${user}`;
  const answer = (line: string): string | null => {
    const [verb, id = '', ...words] = line.split('\t');
    if (verb === 'AUTH' && words[0] === 'LOGIN') return `CONT\t${id}\t${base64('Username:')}`;
    if (verb === 'AUTH') {
      const [, user = '', password = ''] = text(words.find((word) => word.startsWith('resp='))?.slice('resp='.length) ?? '').split('\0');
      return settle(id, user, password);
    }
    if (verb !== 'CONT') return null;
    const user = named.get(id);
    if (user !== undefined) return settle(id, user, text(words[0] ?? ''));
    named.set(id, text(words[0] ?? ''));
    return `CONT\t${id}\t${base64('Password:')}`;
  };
  socket.write('VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n');
  let pending = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const said = answer(line);
      if (said !== null) socket.write(`${said}\n`);
    }
  });
}

function splitOnce(line: string, separator: string): [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
}

async function serve(onConnection: (socket: Socket) => void): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function freePorts(): Promise<Postfix['ports']> {
  const taken = new Set<number>();
  const next = async (): Promise<number> => {
    const port = await freePort();
    if (taken.has(port)) return next();
    taken.add(port);
    return port;
  };
  return {
    open: await next(),
    submission: await next(),
    wrapped: await next(),
    cleartext: await next(),
    expired: await next(),
    misnamed: await next(),
    small: await next(),
    strict: await next(),
  };
}

function canListenOn(host: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false)).listen(0, host, () => server.close(() => resolve(true)));
  });
}

async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    const end = (isGood: boolean) => () => {
      socket.destroy();
      resolve(isGood);
    };
    socket.once('data', end(true)).once('error', end(false)).setTimeout(2000, end(false));
  });
}
