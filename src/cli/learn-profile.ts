/**
 * `tocsin devices learn`: listens to a broker for a while, or reads a recording, and prints a profile for what was published most.
 * The profile goes to stdout and holds as it is; what else was heard, and what is uncertain, to stderr.
 */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { loadConfig } from '../config.ts';
import type { Heard } from '../devices/learning/heard.ts';
import { type Learnt, learn } from '../devices/learning/learn.ts';
import { parseProfile } from '../devices/profile.ts';
import { readDeviceTime } from '../devices/time.ts';
import { systemClock } from '../std/clock.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { formatDurationMs, parseDurationMs } from '../std/quantity.ts';
import { WrongUsage } from './command.ts';
import { printable } from './print.ts';
import { Progress } from './progress.ts';

export interface LearnOptions {
  readonly topic: string;
  readonly for: string;
  readonly mqtt?: string | undefined;
  readonly name?: string | undefined;
  readonly config: string;
  readonly set: readonly string[];
  /** Read stdin instead. */
  readonly isRecorded: boolean;
}

const FOR_MS_MAX = 86_400_000;
const CONNECT_WITHIN_MS = 10_000;
/** What is listened to no longer than this; more teaches nothing more. */
const MESSAGES_MAX = 200_000;
const BYTES_MAX = 128 * 1024 * 1024;
const SHOWN_MAX = 10;
const PROGRESS_EVERY_MS = 250;

export async function learnProfile(options: LearnOptions): Promise<number> {
  const { topic, name } = options;
  const forMs = parseDurationMs(options.for);
  if (forMs === undefined || forMs <= 0 || forMs > FOR_MS_MAX)
    throw new WrongUsage('--for: expected a duration such as 30s, 10m, at most 1d');
  const problem = filterProblem(topic);
  if (problem !== null) throw new WrongUsage(`--topic: ${problem}`);
  const misnamed = name === undefined ? [] : parseProfile({ path: '--name', text: `profile: ${JSON.stringify(name)}` }).problems;
  if (misnamed[0] !== undefined) throw new WrongUsage(`--name: ${misnamed[0].message}`);
  const heard = options.isRecorded ? await recorded(topic) : await listened(brokerUrl(options), topic, forMs);
  const topics = new Set(heard.map((message) => message.topic)).size;
  say(`${heard.length} messages on ${topics} topics`);
  const learnt = learn(heard, { name: name ?? null, zone: Intl.DateTimeFormat().resolvedOptions().timeZone });
  tellRest(learnt);
  const [first] = learnt.proposals;
  if (first === undefined) {
    const hint = options.isRecorded
      ? 'a line is {"topic": …, "payload": …}, as mosquitto_sub -F %j writes it'
      : 'listen for longer (--for), to other topics (--topic), or to another broker (--mqtt)';
    throw new TocsinError(heard.length === 0 ? 'nothing was heard' : 'no reading was among what was heard', { hint });
  }
  process.stdout.write(first.text);
  return 0;
}

const say = (sentence: string): boolean => process.stderr.write(`${printable(sentence)}\n`);

function tellRest({ proposals, discovered, unreadable }: Learnt): void {
  const [first, ...others] = proposals;
  for (const [reason, count] of first?.refused ?? []) say(`${count} values or messages of it were not read: ${reason}`);
  if (others.length > 0)
    say(`${others.length} more ${others.length === 1 ? 'kind' : 'kinds'} of devices heard; --topic learns one of them:`);
  for (const { messages, devices, filters } of others.slice(0, SHOWN_MAX))
    say(`  --topic '${filters[0] ?? ''}'  ${messages} messages of ${devices} device${devices === 1 ? '' : 's'}`);
  if (discovered.length > 0) say(`${discovered.length} topics are named by discovery messages, and need no profile: ${few(discovered)}`);
  if (unreadable.length > 0)
    say(
      `${unreadable.length} topics have payloads that are neither JSON nor a value (decode: may name a format for them), or no name for a template: ${few(unreadable)}`,
    );
}

const few = (topics: readonly string[]): string => `${topics.slice(0, 3).join(', ')}${topics.length > 3 ? ', …' : ''}`;

/** Keeps no more than is good for anything; false: that is reached. */
class Heap {
  readonly heard: Heard[] = [];
  #bytes = 0;

  add(message: Heard): boolean {
    // What Tocsin says itself, and brokers of themselves, is no device's.
    if (message.topic.startsWith('tocsin/') || message.topic.startsWith('$')) return true;
    this.heard.push(message);
    this.#bytes += message.payload.length;
    return this.heard.length < MESSAGES_MAX && this.#bytes < BYTES_MAX;
  }
}

async function listened(url: string, topic: string, forMs: number): Promise<readonly Heard[]> {
  const { connectAsync } = await import('mqtt');
  const shown = withoutSecrets(url);
  const clientId = `tocsin-learn-${randomUUID().slice(0, 8)}`;
  const client = await connectAsync(url, { clientId, reconnectPeriod: 0, connectTimeout: CONNECT_WITHIN_MS }, false).catch(
    (error: unknown) => {
      const hint = 'is the broker running? --mqtt mqtt://user:password@host:1883 names another one';
      throw new TocsinError(`no broker answers at ${shown}: ${messageOf(error)}`, { hint, cause: error });
    },
  );
  const heap = new Heap();
  const over = new AbortController();
  client.on('message', (name, payload, { retain }) => {
    if (!heap.add({ topic: name, payload, receivedAt: systemClock.now(), isTimed: !retain })) over.abort();
  });
  client.on('close', () => over.abort());
  client.on('error', (error) => say(`${shown}: ${messageOf(error)}`));
  try {
    const granted = await client.subscribeAsync(topic, { qos: 0 });
    if (granted.some(({ qos }) => qos > 2)) throw new TocsinError(`${shown} grants no subscription to ${topic}`);
    say(`listening to ${topic} at ${shown} for ${formatDurationMs(forMs)}`);
    await waited(forMs, over.signal, () => heap.heard.length);
    if (over.signal.aborted)
      say(client.connected ? 'that is enough to learn from' : 'the connection was lost; what came until then counts');
  } finally {
    await client.endAsync(true);
  }
  return heap.heard;
}

async function waited(forMs: number, signal: AbortSignal, count: () => number): Promise<void> {
  const progress = new Progress('listening');
  const start = systemClock.monotonicMs();
  for (let passed = 0; passed < forMs && !signal.aborted; passed = systemClock.monotonicMs() - start) {
    progress.update(passed / forMs, count());
    await systemClock.sleep(Math.min(PROGRESS_EVERY_MS, forMs - passed), signal);
  }
  progress.done();
}

function brokerUrl({ mqtt, config, set }: LearnOptions): string {
  if (mqtt !== undefined) {
    if (!URL.canParse(mqtt) || !/^(?:mqtts?|wss?):/.test(mqtt))
      throw new WrongUsage('--mqtt: expected an address such as mqtt://127.0.0.1:1883');
    return mqtt;
  }
  const { listeners } = loadConfig({ path: config, set, env: process.env }).mqtt;
  const listener = listeners.find(({ scheme }) => scheme === 'mqtt') ?? listeners[0];
  if (listener === undefined || listener.port === 0) {
    const hint = 'name the address that it printed when it was ready: --mqtt mqtt://127.0.0.1:PORT';
    throw new TocsinError('mqtt.listeners has port 0, so that the real port is not known', { place: config, hint });
  }
  const { scheme, host, port } = listener;
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${scheme}://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}

function withoutSecrets(text: string): string {
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}

/** A line of a recording: as `tocsin decode --file` takes it, or of `mosquitto_sub -F %j` (`%J`: the payload as JSON). */
const lineForm = z.object({
  topic: z.string().min(1),
  payload: z.unknown().optional(),
  payloadBase64: z.string().optional(),
  at: z.string().optional(),
  tst: z.string().optional(),
  retain: z.union([z.boolean(), z.number()]).optional(),
});

async function recorded(topic: string): Promise<readonly Heard[]> {
  const heap = new Heap();
  const now = systemClock.now();
  let number = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (line.trim() === '') continue;
    const message = readLine(line, number, now);
    if (!matches(topic, message.topic) || heap.add(message)) continue;
    say('that is enough to learn from');
    break;
  }
  return heap.heard;
}

function readLine(line: string, number: number, now: number): Heard {
  const place = `stdin:${number}`;
  const hint = 'expected {"topic": …, "payload": …} or "payloadBase64", with "at", when it was received, where that is known';
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new TocsinError(`no JSON: ${messageOf(error)}`, { place, hint, cause: error });
  }
  const checked = lineForm.safeParse(value);
  if (!checked.success) throw new TocsinError(`no message: ${checked.error.issues[0]?.message ?? ''}`, { place, hint });
  const { topic, payload, payloadBase64, at, tst, retain } = checked.data;
  const text = payload === undefined || payload === null ? '' : typeof payload === 'string' ? payload : JSON.stringify(payload);
  const bytes = payloadBase64 === undefined ? Buffer.from(text) : Buffer.from(payloadBase64, 'base64');
  const written = at ?? tst;
  const time = written === undefined ? null : readDeviceTime(written, 'UTC', now);
  if (typeof time === 'string')
    throw new TocsinError(`at is no time: ${JSON.stringify(written)}`, { place, hint: 'such as 2026-11-23T08:30:00Z' });
  return { topic, payload: bytes, receivedAt: time ?? now, isTimed: time !== null && !retain };
}

function filterProblem(filter: string): string | null {
  const levels = filter.split('/');
  if (filter === '') return 'expected a topic filter such as sensors/#';
  if (levels.some((level, index) => level.includes('#') && (level !== '#' || index < levels.length - 1)))
    return '# stands alone, as the last level';
  return levels.some((level) => level.includes('+') && level !== '+') ? '+ stands for a whole level' : null;
}

function matches(filter: string, topic: string): boolean {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  const isOpen = wanted.at(-1) === '#';
  if (isOpen) wanted.pop();
  if (isOpen ? levels.length < wanted.length : levels.length !== wanted.length) return false;
  return wanted.every((level, index) => level === '+' || level === levels[index]);
}
