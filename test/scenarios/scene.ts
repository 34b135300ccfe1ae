/**
 * A whole Tocsin for scenarios: the real process on a folder of its own, a real MQTT.js client as the device, a real SMTP
 * server as the operator's mailbox, and what its HTTP API answers, checked for form.
 */
import { connectAsync, type MqttClient } from 'mqtt';
import { systemClock } from '../../src/std/clock.ts';
import { type Server, type ServerConfig, type StartOptions, startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';
import { type ReceivedMail, type SmtpSink, startSmtpSink } from '../load/smtp-sink.ts';

export interface Transition {
  readonly id: string;
  readonly kind: string;
  readonly fromLevel: string | null;
  readonly at: string;
  readonly receivedAt: string | null;
  readonly reason: string;
  readonly alert: Alert;
}
export interface Alert {
  readonly id: string;
  readonly rule: string;
  readonly device: string;
  readonly level: string;
  readonly state: string;
  readonly flags: readonly string[];
  readonly since: string;
  readonly firedAt: string | null;
  readonly resolvedAt: string | null;
  readonly value: unknown;
  readonly summary: string;
  readonly labels: Readonly<Record<string, string>>;
}
export interface QuarantineItem {
  readonly id: number;
  readonly device: string | null;
  readonly topic: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly client: string;
  readonly receivedAt: string;
  readonly reason: string;
  readonly detail: string;
  readonly partial: boolean;
}
export interface StoredReading {
  readonly at: string;
  readonly device: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export interface Scene extends AsyncDisposable {
  readonly folder: string;
  readonly sink: SmtpSink;
  /** Starts the server on what the one before has left. */
  start(options?: Omit<StartOptions, 'folder'>): Promise<Server>;
}

const PAGES_MAX = 1000;
const PAGE_ITEMS = 1000;
const POLL_MS = 25;
const CONNECT_WAIT_MS = 10_000;

export async function openScene(config: ServerConfig): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder('scenario'));
  const sink = stack.use(await startSmtpSink());
  const email = { smtp: sink.url, from: 'Tocsin <tocsin@localhost>' };
  await writeServerConfig(folder.path, { ...config, settings: { email, ...config.settings } });
  const servers: Server[] = [];
  stack.defer(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
  const owned = stack.move();
  return {
    folder: folder.path,
    sink,
    async start(options = {}) {
      const server = await startServer({ ...options, folder: folder.path });
      servers.push(server);
      return server;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export interface Device extends AsyncDisposable {
  /** Resolves with the acknowledgement of QoS 1; an object is sent as JSON. */
  say(topic: string, payload: Buffer | string | Readonly<Record<string, unknown>>, qos?: 0 | 1 | 2): Promise<void>;
  readonly client: MqttClient;
}

/** Does not reconnect by itself: a connection that is lost fails the test. */
export async function connectDevice(server: Server, clientId = 'device'): Promise<Device> {
  const client = await connectAsync(`mqtt://127.0.0.1:${server.mqttPort}`, {
    clientId,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_WAIT_MS,
  });
  // A server that is killed cuts the connection; a publish under way rejects by itself.
  client.on('error', () => client.end(true));
  return {
    client,
    async say(topic, payload, qos = 1) {
      const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
      await client.publishAsync(topic, bytes, { qos });
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}

/** Asks until the answer is there; rejects with `what` and the last answer when it is not in time. */
export async function eventually<T>(
  what: string,
  waitMs: number,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = systemClock.monotonicMs() + waitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (systemClock.monotonicMs() > deadline) throw new Error(`not within ${waitMs} ms: ${what}`);
    await systemClock.sleep(POLL_MS);
  }
}

/** Every item of a list of the API. */
export async function listOf<T>(server: Server, path: string, limit = PAGE_ITEMS): Promise<T[]> {
  const items: T[] = [];
  let cursor = '';
  for (let page = 0; page < PAGES_MAX; page++) {
    const separator = path.includes('?') ? '&' : '?';
    const { status, body } = await server.get(`${path}${separator}limit=${limit}${cursor}`);
    if (status !== 200 || !isPage<T>(body)) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
    items.push(...body.items);
    if (body.next === null) return items;
    cursor = `&cursor=${encodeURIComponent(body.next)}`;
  }
  throw new Error(`${path} has no end`);
}

function isPage<T>(body: unknown): body is { items: T[]; next: string | null } {
  return typeof body === 'object' && body !== null && 'items' in body && Array.isArray(body.items) && 'next' in body;
}

export const alertsOf = (server: Server, query = ''): Promise<Alert[]> => listOf<Alert>(server, `/api/v1/alerts${query}`);

/** An alert's transitions, in order, without what else its timeline says. */
export async function transitionsOf(server: Server, id: string): Promise<Transition[]> {
  const { status, body } = await server.get(`/api/v1/alerts/${id}`);
  if (status !== 200 || typeof body !== 'object' || body === null || !('timeline' in body) || !Array.isArray(body.timeline)) {
    throw new Error(`/api/v1/alerts/${id} answered ${status}: ${JSON.stringify(body)}`);
  }
  return body.timeline.filter((entry: unknown): entry is Transition => typeof entry === 'object' && entry !== null && 'alert' in entry);
}

/** Resolves with the first mail whose subject is this, or begins with it. */
export function mailOf(sink: SmtpSink, subject: string, waitMs = 10_000): Promise<ReceivedMail> {
  const told = () => sink.mails.map((mail) => mail.subject).join('; ');
  return eventually(`a mail ${JSON.stringify(subject)}`, waitMs, () => sink.mails.find((mail) => mail.subject.startsWith(subject))).catch(
    (error: Error) => {
      throw new Error(`${error.message}; there are: ${told()}`);
    },
  );
}

/** Every consumer is at the head of the journal, and the outbox is empty. */
export async function settled(server: Server, waitMs = 20_000): Promise<void> {
  await eventually('all consumers have caught up and all mails are sent', waitMs, async () => {
    const metrics = await server.metrics();
    const lags = metrics.all('tocsin_consumer_lag_readings');
    const open = metrics.sum('tocsin_outbox_messages', { state: 'waiting' }) + metrics.sum('tocsin_outbox_messages', { state: 'sending' });
    return lags.length > 0 && lags.every(({ value }) => value === 0) && metrics.all('tocsin_outbox_messages').length > 0 && open === 0;
  });
}
