/**
 * tocsin.yaml, the environment and `--set` → a frozen Config of plain data, which threads may be handed. Everything is checked
 * here, once: every problem is reported at once, each with `file:line:column` or the `--set` it came from, and no message
 * holds a secret. Closed by default: what others could reach needs to be opened on purpose.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import type { TlsFiles } from './access/certificates.ts';
import { isEncrypted, isLoopback, type Listener } from './config/listener.ts';
import { type Form, ROLES, type Role, schema } from './config/schema.ts';
import type { HeartbeatForm } from './config/self-schema.ts';
import { substitute } from './config/substitute.ts';
import { InvalidConfig, messageOf, TocsinError } from './std/errors.ts';
import { problemsOf } from './std/form.ts';
import { parseYaml, type YamlFile } from './std/yaml.ts';

export interface Config {
  /** The file's name as it was given, for messages. */
  readonly path: string;
  /** Folder of everything that Tocsin writes; absolute. */
  readonly data: string;
  readonly mqtt: {
    readonly listeners: readonly Listener[];
    /** Null: no listener speaks TLS. */
    readonly tls: TlsFiles | null;
    /** Whether clients may connect without credentials. */
    readonly anonymous: boolean;
    readonly limits: MqttLimits;
  };
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** What links in mails begin with, without a slash at the end; null: there are no links. */
    readonly publicUrl: string | null;
  };
  readonly journal: {
    /** What the journal may take of the disk. */
    readonly bytesMax: number;
    readonly keepMs: number;
    /** Free space that must stay on the file system. */
    readonly reserveBytes: number;
  };
  readonly history: HistoryConfig;
  readonly quarantine: { readonly bytesMax: number };
  readonly alerting: {
    /** How long after a start no silence raises anything; 0 is none. */
    readonly startGraceMs: number;
    /** How much later the silence of a device that depends on another one is told. */
    readonly dependencyGraceMs: number;
  };
  readonly email: {
    /** `smtp://` or `smtps://`, credentials included; null: mails are `.eml` files below data/mail. */
    readonly smtp: string | null;
    readonly from: string;
  };
  /** How often Tocsin makes a reading of itself; null: never. */
  readonly self: { readonly everyMs: number | null };
  /** Null: none. A URL is a secret. */
  readonly heartbeat: HeartbeatForm | null;
  /** File of who may connect; absolute, like the next three. */
  readonly credentials: string;
  /** Folder of profiles and fleet file. */
  readonly devices: string;
  /** Folder of rule files. */
  readonly rules: string;
  /** File of contacts and routes. */
  readonly notify: string;
  /** Whether a change of those files is applied by itself. */
  readonly watch: boolean;
  readonly roles: readonly Role[];
}

/** 0 is no limit, except for packetBytes, where it has become MQTT's own. */
export interface MqttLimits {
  readonly packetBytes: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly messagesPerSecond: number;
  readonly sessions: number;
  readonly retained: number;
  readonly devices: number;
  readonly metricsPerDevice: number;
}

export type HistoryConfig =
  | { readonly kind: 'sqlite'; readonly keepMs: number }
  /** `url` names the database by its path and may hold credentials; `tags` are the labels stored as tags. */
  | { readonly kind: 'influx'; readonly url: string; readonly tags: readonly string[] };

export interface ConfigSource {
  readonly path: string;
  /** `key=value`, as given by `--set`; later ones win. */
  readonly set: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

const HISTORY_KEEP_MS = 400 * 86_400_000;

/** @throws InvalidConfig with every problem */
export function loadConfig(source: ConfigSource): Config {
  const { file, problems: yamlProblems } = parseYaml({ path: source.path, text: readConfig(source.path) });
  if (file === null) throw new InvalidConfig(yamlProblems);
  const problems: TocsinError[] = [];
  const overridden = applyOverrides(file.value ?? {}, source.set, problems);
  const place: YamlFile['place'] = (at, part) => overridden.place(at) ?? file.place(at, part);
  const sources = { env: source.env, folder: dirname(resolve(source.path)) };
  const data = substitute(overridden.data, sources, (at, error) => {
    problems.push(new TocsinError(error.message, { place: place(at), ...(error.hint === undefined ? {} : { hint: error.hint }) }));
  });
  // A reference that leads nowhere left a hole: what else is wrong would only be its consequence.
  if (problems.length > 0) throw new InvalidConfig(problems);
  const checked = schema.safeParse(data);
  if (!checked.success) throw new InvalidConfig(problemsOf(checked.error, data, place));
  const contradictions = contradictionsIn(checked.data, place);
  if (contradictions.length > 0) throw new InvalidConfig(contradictions);
  return deepFreeze(configOf(checked.data, source.path));
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const hint = 'name the file with --config FILE';
    throw new InvalidConfig([new TocsinError(`cannot read the config: ${messageOf(cause)}`, { place: path, hint, cause })]);
  }
}

function configOf(form: Form, path: string): Config {
  const absolute = (relative: string): string => resolve(dirname(path), relative);
  return {
    path,
    data: absolute(form.data),
    mqtt: {
      listeners: form.mqtt.listeners,
      tls: form.mqtt.tls === undefined ? null : tlsOf(form.mqtt.tls, absolute),
      anonymous: form.mqtt.anonymous ?? form.mqtt.listeners.every(({ host }) => isLoopback(host)),
      limits: form.mqtt.limits,
    },
    http: { host: form.http.listen.host, port: form.http.listen.port, publicUrl: form.http.publicUrl?.replace(/\/+$/, '') ?? null },
    journal: { bytesMax: form.journal.maxBytes, keepMs: form.journal.keep, reserveBytes: form.journal.reserve },
    history:
      form.history.influx === undefined
        ? { kind: 'sqlite', keepMs: form.history.keep ?? HISTORY_KEEP_MS }
        : { kind: 'influx', url: form.history.influx, tags: form.history.tags ?? [] },
    quarantine: { bytesMax: form.quarantine.maxBytes },
    alerting: { startGraceMs: form.alerting.startGrace, dependencyGraceMs: form.alerting.dependencyGrace },
    email: { smtp: form.email.smtp ?? null, from: form.email.from },
    self: { everyMs: form.self },
    heartbeat: form.heartbeat ?? null,
    credentials: absolute(form.credentials),
    devices: absolute(form.devices),
    rules: absolute(form.rules),
    notify: absolute(form.notify),
    watch: form.watch,
    roles: form.roles,
  };
}

function tlsOf({ cert, key, ca, clientCert = 'off' }: NonNullable<Form['mqtt']['tls']>, absolute: (relative: string) => string): TlsFiles {
  return { cert: absolute(cert), key: absolute(key), ca: ca === undefined ? null : absolute(ca), clientCert };
}

/** What each key allows, but not all of them together. */
function contradictionsIn(form: Form, place: YamlFile['place']): TocsinError[] {
  const problems: TocsinError[] = [];
  const problem = (at: readonly PropertyKey[], message: string, hint: string) =>
    problems.push(new TocsinError(message, { place: place(at), hint }));
  const { listeners, tls } = form.mqtt;
  const encrypted = listeners.findIndex(isEncrypted);
  if (encrypted >= 0 && tls === undefined) {
    problem(['mqtt', 'listeners', encrypted], 'a listener with TLS needs a certificate', 'add tls: {cert: …, key: …} under mqtt');
  }
  if (encrypted < 0 && tls !== undefined) problem(['mqtt', 'tls'], 'no listener uses it', 'listen on mqtts://host:8883 or wss://host:port');
  if (tls !== undefined && (tls.clientCert ?? 'off') !== 'off' && tls.ca === undefined) {
    problem(
      ['mqtt', 'tls', 'clientCert'],
      'nobody vouches for client certificates',
      'add ca: the certificate of the authority that has signed them',
    );
  }
  if (!isLoopback(form.http.listen.host)) {
    problem(
      ['http', 'listen'],
      'others can reach this address, and users are not supported yet',
      'listen on 127.0.0.1 and reach it through `ssh -L 8080:127.0.0.1:8080 host` or a reverse proxy that asks for a password; in a container use the host’s network (docker run --network host)',
    );
  }
  // One process has them all for now, but a history can be done without.
  const missing = ROLES.filter((role) => role !== 'history' && !form.roles.includes(role));
  if (missing.length > 0 || new Set(form.roles).size !== form.roles.length) {
    problem(
      ['roles'],
      'a part of the roles, or one twice: not supported yet',
      `all of them in one process: [${ROLES.join(', ')}]; history may be left out`,
    );
  }
  const { influx, url, keep, tags } = form.history;
  if (influx !== undefined && url !== undefined) problem(['history', 'url'], 'url and influx exclude each other', 'keep one of them');
  if (influx !== undefined && keep !== undefined) {
    problem(['history', 'keep'], 'InfluxDB keeps by its own retention policy', 'leave it out, and set the policy’s duration in InfluxDB');
  }
  if (influx === undefined && tags !== undefined)
    problem(['history', 'tags'], 'tags are InfluxDB’s', 'leave them out: the embedded history keeps every label');
  if (form.heartbeat != null && form.self === null) {
    problem(['heartbeat'], 'a heartbeat is sent while Tocsin’s own readings are evaluated, and self is off', 'leave `self: off` out');
  }
  if (form.heartbeat?.kind === 'email' && form.email.smtp === undefined) {
    problem(['heartbeat', 'email'], 'without email.smtp mails are files, which tell nobody outside', 'add email.smtp, or use url');
  }
  return problems;
}

/** Where a key stands, for problems that show only when other files have been read. */
export function placeOf({ path, set }: ConfigSource, at: readonly PropertyKey[]): string {
  const { file } = parseYaml({ path, text: readConfig(path) });
  return applyOverrides(file?.value ?? {}, set, []).place(at) ?? file?.place(at) ?? path;
}

/** Puts each `a.b=value` in its place. `place` says `--set a.b` for what came from one. */
function applyOverrides(
  data: unknown,
  set: readonly string[],
  problems: TocsinError[],
): { data: unknown; place: (at: readonly PropertyKey[]) => string | null } {
  const root: Record<string, unknown> = isMapping(data) ? structuredClone(data) : {};
  const keys: string[] = [];
  if (set.length === 0) return { data, place: () => null };
  for (const assignment of set) {
    const [, key, text] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (key === undefined || text === undefined || /(^|\.)(\.|$|__proto__)/.test(key)) {
      problems.push(new TocsinError('expected key=value', { place: '--set', hint: 'for example --set data=/var/lib/tocsin' }));
      continue;
    }
    const value = overrideValue(text);
    if (value instanceof TocsinError) problems.push(new TocsinError(value.message, { place: `--set ${key}` }));
    else {
      let parent = root;
      const parts = key.split('.');
      for (const part of parts.slice(0, -1)) {
        const child = Object.hasOwn(parent, part) ? parent[part] : undefined;
        const next = isMapping(child) ? child : {};
        parent[part] = next;
        parent = next;
      }
      parent[parts.at(-1) ?? key] = value;
      keys.push(key);
    }
  }
  const place = (at: readonly PropertyKey[]): string | null => {
    const path = at.join('.');
    const key = keys.findLast((candidate) => path === candidate || path.startsWith(`${candidate}.`));
    return key === undefined ? null : `--set ${key}`;
  };
  return { data: root, place };
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lists, mappings, quoted text, numbers, true and false as in YAML; anything else is text, so that URLs need no quotes. */
function overrideValue(text: string): unknown {
  if (!/^\s*(?:[[{"']|-?\d+(?:\.\d+)?\s*$|(?:true|false|null)\s*$)/.test(text)) return text;
  try {
    return parse(text);
  } catch (error) {
    return new TocsinError(`not YAML: ${messageOf(error).split('\n')[0] ?? ''}`);
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
