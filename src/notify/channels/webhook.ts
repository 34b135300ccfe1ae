/**
 * A message posted as JSON (`message-json.ts`) to a program. With these headers:
 *
 *     Idempotency-Key       id of the message: who has seen it before may answer 200 and do nothing
 *     X-Tocsin-Timestamp    when it is sent, in seconds since 1970
 *     X-Tocsin-Signature    v1=<HMAC-SHA256, in hexadecimal, of "<timestamp>.<body>"> where the channel has a secret: who compares
 *                           it, and refuses a timestamp older than some minutes, takes neither forged nor replayed messages
 *
 * Delivered is what was answered with 2xx.
 */
import { createHmac } from 'node:crypto';
import { MICROSECONDS_PER_SECOND } from '../../domain/reading.ts';
import type { Clock } from '../../std/clock.ts';
import type { HttpPost } from './http-post.ts';
import { messageJson } from './message-json.ts';
import type { Notifier } from './notifier.ts';

export function createWebhookNotifier({ http, clock }: { http: HttpPost; clock: Clock }): Notifier {
  return {
    async send(message, signal) {
      const { channel } = message;
      if (channel.kind !== 'webhook') throw new Error(`a message for ${channel.kind} came to the webhooks`);
      const { url, secret, allowPrivate } = channel;
      const body = messageJson(message);
      const timestamp = Math.floor(clock.now() / MICROSECONDS_PER_SECOND);
      const headers = {
        'Idempotency-Key': message.id,
        'X-Tocsin-Timestamp': String(timestamp),
        ...(secret !== null && { 'X-Tocsin-Signature': `v1=${signatureOf({ body, timestamp, secret })}` }),
      };
      return http.post({ url, headers, body, allowPrivate, secrets: secret === null ? [] : [secret] }, signal);
    },
    async close() {
      http.close();
    },
  };
}

const signatureOf = ({ body, timestamp, secret }: { body: string; timestamp: number; secret: string }): string =>
  createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
