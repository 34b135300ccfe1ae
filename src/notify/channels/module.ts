/**
 * Users' own channels: modules whose default export is a `CreateNotifier`. Each is loaded when the first message is for it, and
 * once for each set of options. It is other people's code, so nothing it does reaches further than its own messages: what it
 * throws, or answers wrongly, is an outcome worth another try; what it never answers is waited for a bounded time. Only code
 * that computes without end cannot be stopped.
 */
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import type { Channel, DeliveryOutcome } from '../../domain/notification.ts';
import type { Clock } from '../../std/clock.ts';
import { messageOf } from '../../std/errors.ts';
import type { Logger } from '../../std/logger.ts';
import { oneLine } from '../mail/mail-text.ts';
import { waitAtMost } from './bounded.ts';
import { RETRY_AFTER_MAX_MS } from './http-post.ts';
import type { Notifier, OutgoingMessage } from './notifier.ts';
import { scrubber } from './scrub.ts';

type ModuleChannel = Extract<Channel, { kind: 'module' }>;

export interface ModuleTimeouts {
  /** For one message, the loading included. */
  readonly sendMs: number;
  readonly closeMs: number;
}

const TIMEOUTS: ModuleTimeouts = { sendMs: 60_000, closeMs: 5000 };
/** Of notifiers that are kept: more come about by reloads with other options only, and the oldest goes. */
const LOADED_MAX = 100;
const DETAIL_LENGTH_MAX = 400;
/** A shorter text among the options is no secret, and would be blotted out of other words. */
const SECRET_LENGTH_MIN = 6;

export function createModuleNotifier(options: { clock: Clock; logger: Logger; timeouts?: ModuleTimeouts }): Notifier {
  const { clock, logger, timeouts = TIMEOUTS } = options;
  const loaded = new Map<string, { readonly address: string; readonly notifier: Promise<Notifier> }>();
  const closing = new AbortController();

  function notifierOf(channel: ModuleChannel): Promise<Notifier> {
    const key = JSON.stringify([channel.path, channel.options]);
    const known = loaded.get(key);
    if (known !== undefined) return known.notifier;
    const notifier = load(channel, { clock, logger: logger.child({ module: channel.address }) });
    loaded.set(key, { address: channel.address, notifier });
    // What could not be loaded may be mended by the next message.
    notifier.catch(() => loaded.delete(key));
    const [oldest] = loaded;
    if (loaded.size > LOADED_MAX && oldest !== undefined) {
      loaded.delete(oldest[0]);
      void close(oldest[1]);
    }
    return notifier;
  }

  async function close({ address, notifier }: { address: string; notifier: Promise<Notifier> }): Promise<void> {
    try {
      const closed = (async () => (await notifier).close())();
      await waitAtMost(closed, { timeoutMs: timeouts.closeMs, clock, signal: new AbortController().signal });
    } catch (error) {
      logger.warn({ err: error, module: address }, 'a channel of a module could not be closed');
    }
  }

  async function answerOf(channel: ModuleChannel, message: OutgoingMessage, signal: AbortSignal): Promise<DeliveryOutcome> {
    const deadline = new AbortController();
    const ending = AbortSignal.any([signal, closing.signal]);
    const sending = (async () => {
      const notifier = await notifierOf(channel);
      return checked(await notifier.send(message, AbortSignal.any([ending, deadline.signal])));
    })();
    const waited = await waitAtMost(sending, { timeoutMs: timeouts.sendMs, clock, signal: ending });
    if (waited.came) return waited.value;
    deadline.abort();
    const why =
      waited.why === 'late' ? `did not answer within ${Math.ceil(timeouts.sendMs / 1000)} s` : 'had not answered when Tocsin stopped';
    return { outcome: 'retryable', detail: why };
  }

  return {
    async send(message, signal) {
      const { channel } = message;
      if (channel.kind !== 'module') throw new Error(`a message for ${channel.kind} came to the modules`);
      const scrub = scrubber(textsIn(channel.options).filter((text) => text.length >= SECRET_LENGTH_MIN));
      const shown = (outcome: DeliveryOutcome): DeliveryOutcome => {
        const detail = oneLine(scrub(outcome.detail), DETAIL_LENGTH_MAX);
        return { ...outcome, detail: `${channel.address}: ${detail}` };
      };
      try {
        return shown(await answerOf(channel, message, signal));
      } catch (error) {
        return shown({ outcome: 'retryable', detail: messageOf(error) });
      }
    },
    async close() {
      closing.abort();
      await Promise.all([...loaded.values()].map(close));
      loaded.clear();
    },
  };
}

async function load({ path, options }: ModuleChannel, context: { clock: Clock; logger: Logger }): Promise<Notifier> {
  const { mtimeMs } = await stat(path);
  // A module that failed is kept by Node as failed, under its URL: a mended file has another one.
  const module: unknown = await import(/* @vite-ignore */ `${pathToFileURL(path).href}?changed=${mtimeMs}`);
  const create: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'default') : undefined;
  if (typeof create !== 'function') throw new Error('has no function as its default export: write export default (options, context) => …');
  const notifier: unknown = await create(options, context);
  if (!isNotifier(notifier)) throw new Error('gave no object with the functions send and close');
  return notifier;
}

const isNotifier = (value: unknown): value is Notifier =>
  typeof value === 'object' &&
  value !== null &&
  typeof Reflect.get(value, 'send') === 'function' &&
  typeof Reflect.get(value, 'close') === 'function';

const answerForm = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('delivered'), detail: z.string() }),
  z.object({ outcome: z.literal('retryable'), detail: z.string(), afterMs: z.number().min(0).optional() }),
  z.object({ outcome: z.literal('permanent'), detail: z.string(), isMendable: z.boolean() }),
]);
const EXAMPLE =
  "{outcome: 'delivered', detail: '…'}, {outcome: 'retryable', detail: '…'} or {outcome: 'permanent', detail: '…', isMendable: false}";

function checked(answer: unknown): DeliveryOutcome {
  const parsed = answerForm.safeParse(answer);
  if (!parsed.success) throw new Error(`send gave no outcome: it resolves to ${EXAMPLE}`);
  if (parsed.data.outcome !== 'retryable') return parsed.data;
  const { afterMs, ...outcome } = parsed.data;
  return afterMs === undefined ? outcome : { ...outcome, afterMs: Math.min(afterMs, RETRY_AFTER_MAX_MS) };
}

/** Every text in it, at any depth: a token may be any of them. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
