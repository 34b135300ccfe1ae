/** Everything that a run needs to read before it starts, in one place: `check` and `run` cannot disagree about what is valid. */
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { expiryOf, readTls, type TlsFiles } from '../access/certificates.ts';
import { type Credential, parseCredentials } from '../access/credentials.ts';
import { isLoopback } from '../config/listener.ts';
import { substitute } from '../config/substitute.ts';
import { type Config, type ConfigSource, loadConfig, placeOf } from '../config.ts';
import { codecProblems } from '../devices/codecs/codecs.ts';
import { loadDirectory } from '../devices/directory.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import { type ParsedNotify, parseNotify } from '../notify/config.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import { unreached } from '../notify/would-reach.ts';
import { compileRules } from '../rules/compile.ts';
import { loadRules } from '../rules/parse.ts';
import { withSelfProfile, withSelfRoute, withSelfRules } from '../self/self-configuration.ts';
import { systemClock } from '../std/clock.ts';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';

/** Plain data: each thread compiles the rules for itself. */
export interface Loaded {
  readonly config: Config;
  readonly credentials: readonly Credential[];
  readonly directory: DeviceDirectory;
  readonly rules: readonly Rule[];
  readonly notify: NotifyConfig;
  /** What is allowed but most likely not meant. */
  readonly warnings: readonly TocsinError[];
}

/** @throws InvalidConfig with every problem of every file */
export async function loadEverything(source: ConfigSource): Promise<Loaded> {
  const config = loadConfig(source);
  const { everyMs } = config.self;
  const { directory: described, problems: deviceProblems } = loadDirectory(shortPath(config.devices));
  const directory = withSelfProfile(described, everyMs);
  deviceProblems.push(...(await codecProblems(described.profiles, systemClock)));
  const { rules: own, problems: ruleProblems } = await loadRules(shortPath(config.rules));
  const rules = withSelfRules(own, everyMs);
  const notify = await loadNotify(shortPath(config.notify), source.env);
  const access = loadAccess(config, source);
  const problems = [...access.problems, ...deviceProblems, ...ruleProblems, ...notify.problems];
  // Rules are checked against the profiles: with one of those missing, every rule for it would be called wrong.
  const compiled = deviceProblems.length === 0 ? compileRules(rules, directory) : null;
  if (compiled !== null) problems.push(...compiled.problems);
  if (problems.length > 0 || notify.config === null) throw new InvalidConfig(problems);
  const routed = withSelfRoute(notify.config, everyMs);
  const warnings = [...access.warnings, ...(compiled?.warnings ?? []), ...unreached(rules, directory, routed, notify.placeOf)];
  return { config, credentials: access.credentials, directory, rules, notify: routed, warnings };
}

/** Who may connect, and what a listener that others can reach needs of it. */
function loadAccess(
  config: Config,
  source: ConfigSource,
): { credentials: readonly Credential[]; problems: TocsinError[]; warnings: TocsinError[] } {
  const path = shortPath(config.credentials);
  const { credentials, problems, warnings } = readCredentials(path);
  const { listeners, anonymous, tls } = config.mqtt;
  if (tls !== null) tellOfTls(tls, problems, warnings);
  const wide = listeners.findIndex(({ host }) => !isLoopback(host));
  const isClosed = credentials.every(({ passwords }) => passwords.length === 0) && (tls === null || tls.clientCert === 'off');
  if (wide >= 0 && !anonymous && isClosed && problems.length === 0) {
    const place = placeOf(source, ['mqtt', 'listeners', wide]);
    const hint = `give each device a password (tocsin device add ID) or ask for client certificates; or, where only trusted devices can reach it (a private network, a container whose port is published to one), write \`anonymous: true\` under mqtt`;
    problems.push(new TocsinError(`others can reach this address, and nobody has credentials in ${path}`, { place, hint }));
  }
  return { credentials, problems, warnings };
}

function readCredentials(path: string): { credentials: readonly Credential[]; problems: TocsinError[]; warnings: TocsinError[] } {
  try {
    const text = readFileSync(path, 'utf8');
    const { credentials, problems } = parseCredentials({ path, text });
    const isOthers = process.platform !== 'win32' && (statSync(path).mode & OTHERS_READ) !== 0;
    const warning = new TocsinError('every user of this machine may read it', { place: path, hint: `chmod 600 ${path}` });
    return { credentials, problems: [...problems], warnings: isOthers ? [warning] : [] };
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return { credentials: [], problems: [], warnings: [] };
    const problem = new TocsinError(`cannot be read: ${messageOf(cause)}`, {
      place: path,
      hint: 'see `credentials:` in the config',
      cause,
    });
    return { credentials: [], problems: [problem], warnings: [] };
  }
}

const OTHERS_READ = 0o004;

function tellOfTls(tls: TlsFiles, problems: TocsinError[], warnings: TocsinError[]): void {
  const short = { ...tls, cert: shortPath(tls.cert), key: shortPath(tls.key), ca: tls.ca === null ? null : shortPath(tls.ca) };
  const content = readTls(short);
  if (!('cert' in content)) {
    problems.push(...content);
    return;
  }
  const expiry = expiryOf(content, short.cert, systemClock.now() / 1000);
  if (expiry !== null) warnings.push(expiry);
}

async function loadNotify(path: string, env: ConfigSource['env']): Promise<Omit<ParsedNotify, 'config'> & { config: NotifyConfig | null }> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const hint = 'it says who is told: see `notify:` in the config';
    const problem = new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path, hint, cause });
    return { config: null, problems: [problem], placeOf: () => path };
  }
  const sources = { env, folder: dirname(resolve(path)) };
  return parseNotify({ path, text, resolve: (data, problem) => substitute(data, sources, problem) });
}

/** As a person in this folder would write it; errors begin with it. */
export function shortPath(path: string): string {
  const short = relative('.', path);
  return short === '' || short.startsWith(`..${sep}`) || short === '..' || isAbsolute(short) ? path : short;
}
