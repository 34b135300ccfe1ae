/**
 * `tocsin decode`: what messages become under the present configuration, without a running instance. Several are decoded in order, by one
 * decoder, so that a birth or a discovery message counts for what follows it.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { loadConfig } from '../config.ts';
import { loadCodecs } from '../devices/codecs/codecs.ts';
import { loadDirectory } from '../devices/directory.ts';
import { withSelfProfile } from '../self/self-configuration.ts';
import { systemClock } from '../std/clock.ts';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';
import { formatTime } from '../std/time-text.ts';
import { type Command, defineCommand, WrongUsage } from './command.ts';
import { renderMessage } from './decode-text.ts';
import { Decoding, type ExplainedMessage, type GivenMessage } from './decoding.ts';
import { shortPath } from './load.ts';
import { joinRelativeTimes, timeOption } from './time-option.ts';

const STDIN_BYTES_MAX = 64 * 1024 * 1024;

const definition = defineCommand({
  help: `usage: tocsin decode --topic TOPIC [--payload TEXT] [--hex | --base64] [--at TIME] [--client ID] [--json]
       tocsin decode (--file FILE | --lines) [--at TIME] [--json]

Says what a message becomes under the configuration, and needs no running instance: how its topic is recognised, format,
profile and device, each reading with its time and whose time that is, each value with its unit, what is rejected, why and
what to do about it, and what the message teaches. Several messages are decoded in order: a birth or a discovery message
counts for those after it. Exits 1 when something is rejected or no sensor speaks on the topic.

  --topic TOPIC    may be given several times, each with its --payload
  --payload TEXT   left out: the bytes on stdin, as they are
  --hex, --base64  how --payload or stdin is written
  --file FILE      JSON lines: {"topic": …, "payload": … or "payloadBase64": …}, and where wanted "at" and "client"
  --lines          the same on stdin
  --at TIME        when it is received: 2026-03-01T08:00:00Z, a date, or how long ago: -2h; default: now
  --client ID      the MQTT client that publishes it; default: none
  --json           one JSON object a message, each on a line
  --config FILE    whose devices count; default: config/tocsin.yaml

  tocsin decode --topic sensors/fridge-01/telemetry --payload '{"temperature": 4.2}'
  mosquitto_sub -h broker -t 'meters/7' -C 1 -N | tocsin decode --topic meters/7
  tocsin decode --topic meters/7 --hex --payload 0a1c00ff
  tocsin decode --file captured.jsonl --json
`,
  options: {
    topic: { type: 'string', multiple: true, default: [] },
    payload: { type: 'string', multiple: true, default: [] },
    hex: { type: 'boolean', default: false },
    base64: { type: 'boolean', default: false },
    file: { type: 'string' },
    lines: { type: 'boolean', default: false },
    at: { type: 'string' },
    client: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
  run: (options) => decode(options),
});

export const command: Command = { ...definition, parse: (argv) => definition.parse(joinRelativeTimes(argv, ['--at', '--payload'])) };

interface Options {
  readonly config: string;
  readonly set: readonly string[];
  readonly topic: readonly string[];
  readonly payload: readonly string[];
  readonly hex: boolean;
  readonly base64: boolean;
  readonly file?: string | undefined;
  readonly lines: boolean;
  readonly at?: string | undefined;
  readonly client?: string | undefined;
  readonly json: boolean;
}

async function decode(options: Options): Promise<number> {
  const messages = messagesOf(options);
  const config = loadConfig({ path: options.config, set: options.set, env: process.env });
  const { directory, problems } = loadDirectory(shortPath(config.devices));
  if (problems.length > 0) throw new InvalidConfig(problems);
  const whole = withSelfProfile(directory, config.self.everyMs);
  const decoding = new Decoding(whole, await loadCodecs(whole.profiles, systemClock));
  let isGood = true;
  let isFirst = true;
  let isRead = true;
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads has seen enough, `head` for one.
    if (error.code !== 'EPIPE') throw error;
    isRead = false;
  });
  for await (const message of messages) {
    if (!isRead) break;
    const explained = decoding.explain(message);
    isGood &&= explained.rejected.length === 0 && explained.outcome !== 'no-sensor' && explained.outcome !== 'refused';
    if (options.json) process.stdout.write(`${JSON.stringify(asJson(explained))}\n`);
    else process.stdout.write(`${isFirst ? '' : '\n'}${renderMessage(explained)}`);
    isFirst = false;
  }
  return isGood ? 0 : 1;
}

const asJson = ({ readings, ...message }: ExplainedMessage): object => ({
  ...message,
  readings: readings.map(({ at, ...reading }) => ({ at: formatTime(at), ...reading })),
});

/** Throws WrongUsage at once; what stands in a file is read one message at a time. */
function messagesOf(options: Options): AsyncIterable<GivenMessage> {
  const { topic, payload, file, lines, hex, base64, client = null } = options;
  const receivedAt = options.at === undefined ? null : timeOption('--at', options.at, { now: systemClock.now(), zone: null });
  if (hex && base64) throw new WrongUsage('--hex and --base64 exclude each other');
  const sources = [topic.length > 0, file !== undefined, lines].filter(Boolean).length;
  if (sources !== 1) throw new WrongUsage('decode: which message? one of --topic, --file, --lines; tocsin decode --help has examples');
  if (topic.length === 0) {
    if (payload.length > 0 || hex || base64)
      throw new WrongUsage('--payload, --hex and --base64 go with --topic: lines have their own payload');
    return fromLines(file ?? null, { receivedAt, client });
  }
  const written = hex ? 'hex' : base64 ? 'base64' : 'text';
  if (payload.length > 0 && payload.length !== topic.length)
    throw new WrongUsage(`${topic.length} times --topic and ${payload.length} times --payload: each topic needs its payload`);
  if (payload.length === 0 && topic.length > 1) throw new WrongUsage('stdin is one payload: give each --topic its --payload');
  const given = payload.map((text) => bytesOf(text, written, '--payload'));
  return fromArguments(topic, given, { receivedAt, client, written });
}

type Written = 'hex' | 'base64' | 'text';

async function* fromArguments(
  topics: readonly string[],
  payloads: readonly Uint8Array[],
  { receivedAt, client, written }: { receivedAt: number | null; client: string | null; written: Written },
): AsyncGenerator<GivenMessage> {
  for (const [index, topic] of topics.entries()) {
    const payload = payloads[index] ?? (await standardInput(written));
    yield { topic, payload, receivedAt: receivedAt ?? systemClock.now(), client };
  }
}

async function standardInput(written: Written): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > STDIN_BYTES_MAX) throw new TocsinError(`more than ${STDIN_BYTES_MAX} bytes on stdin: no message is that long`);
    chunks.push(bytes);
  }
  const bytes = Buffer.concat(chunks);
  return written === 'text' ? bytes : bytesOf(bytes.toString('latin1'), written, 'stdin');
}

/** Throws WrongUsage when it is not written so. */
function bytesOf(text: string, written: Written, where: string): Uint8Array {
  if (written === 'text') return Buffer.from(text);
  const bare = text.replace(/\s+/g, '');
  const isWritten = written === 'hex' ? /^(?:[0-9a-f]{2})*$/i : /^[A-Za-z0-9+/_-]*={0,2}$/;
  if (!isWritten.test(bare)) throw new WrongUsage(`${where} is not written in ${written}`);
  return Buffer.from(bare, written);
}

/** What else stands on a line is for others. */
const line = z
  .object({
    topic: z.string(),
    payload: z.string().nullish(),
    payloadBase64: z.string().optional(),
    at: z.string().optional(),
    client: z.string().nullish(),
  })
  .refine(({ payload, payloadBase64 }) => payload == null || payloadBase64 === undefined, 'it has payload and payloadBase64');

async function* fromLines(path: string | null, given: { receivedAt: number | null; client: string | null }): AsyncGenerator<GivenMessage> {
  const stream = path === null ? process.stdin : createReadStream(path);
  let number = 0;
  try {
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      if (text.trim() !== '') yield messageOn(text, `${path ?? 'stdin'}:${number}`, given);
    }
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path ?? 'stdin', cause });
  }
}

function messageOn(text: string, place: string, given: { receivedAt: number | null; client: string | null }): GivenMessage {
  const hint = 'a line is one JSON object: {"topic": "a/b", "payload": "21.5"}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TocsinError(`no JSON: ${messageOf(cause)}`, { place, hint, cause });
  }
  const checked = line.safeParse(value);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new TocsinError(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unreadable'}`.replace(/^: /, ''), { place, hint });
  }
  const { topic, payload, payloadBase64, at, client } = checked.data;
  const receivedAt = at === undefined ? given.receivedAt : timeOption('at', at, { now: systemClock.now(), zone: null });
  return {
    topic,
    payload: payloadBase64 === undefined ? Buffer.from(payload ?? '') : Buffer.from(payloadBase64, 'base64'),
    receivedAt: receivedAt ?? systemClock.now(),
    client: client ?? given.client,
  };
}
