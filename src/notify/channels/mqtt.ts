/** A message published by this installation's own broker, as the JSON of `message-json.ts`. Delivered is what the broker took. */
import type { Clock } from '../../std/clock.ts';
import { messageOf } from '../../std/errors.ts';
import { oneLine } from '../mail/mail-text.ts';
import { waitAtMost } from './bounded.ts';
import { messageJson } from './message-json.ts';
import type { Notifier } from './notifier.ts';

/** Resolves when the broker has taken it. */
export type Publish = (topic: string, payload: string, options: { readonly retain: boolean }) => Promise<void>;

const PUBLISH_TIMEOUT_MS = 10_000;
const DETAIL_LENGTH_MAX = 300;

/** @param options `publish` is null where there is no broker */
export function createMqttNotifier(options: { publish: Publish | null; clock: Clock; timeoutMs?: number }): Notifier {
  const { publish, clock, timeoutMs = PUBLISH_TIMEOUT_MS } = options;
  const closing = new AbortController();
  return {
    async send(message, signal) {
      const { channel } = message;
      if (channel.kind !== 'mqtt') throw new Error(`a message for ${channel.kind} came to MQTT`);
      const topic = channel.address;
      if (publish === null) return { outcome: 'retryable', detail: `${topic}: there is no MQTT broker here` };
      try {
        const ending = AbortSignal.any([signal, closing.signal]);
        const published = publish(topic, messageJson(message), { retain: channel.retain });
        const waited = await waitAtMost(published, { timeoutMs, clock, signal: ending });
        if (waited.came) return { outcome: 'delivered', detail: `published to ${topic}` };
        const why =
          waited.why === 'late' ? `did not take it within ${Math.ceil(timeoutMs / 1000)} s` : 'had not taken it when Tocsin stopped';
        return { outcome: 'retryable', detail: `${topic}: the MQTT broker ${why}` };
      } catch (error) {
        return { outcome: 'retryable', detail: oneLine(`${topic}: not published: ${messageOf(error)}`, DETAIL_LENGTH_MAX) };
      }
    },
    async close() {
      closing.abort();
    },
  };
}
