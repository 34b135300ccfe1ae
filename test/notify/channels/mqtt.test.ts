/** A message over a real broker, as a subscriber gets it. */
import { type AddressInfo, createServer } from 'node:net';
import { Aedes } from 'aedes';
import { connectAsync } from 'mqtt';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../../src/domain/notification.ts';
import { messageJson } from '../../../src/notify/channels/message-json.ts';
import { createMqttNotifier, type Publish } from '../../../src/notify/channels/mqtt.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { messageTo } from './message.ts';

const never = new AbortController().signal;

async function startBroker() {
  const broker = await Aedes.createBroker();
  const server = createServer((socket) => broker.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const publish: Publish = (topic, payload, { retain }) =>
    new Promise((resolve, reject) => {
      const packet = { cmd: 'publish' as const, topic, payload, qos: 1 as const, retain, dup: false };
      broker.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
  return {
    url: `mqtt://127.0.0.1:${port}`,
    publish,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a message over MQTT', () => {
  it('is the JSON of a webhook, on its topic; retained only where the channel says so', async () => {
    await using broker = await startBroker();
    const notifier = createMqttNotifier({ publish: broker.publish, clock });
    const kept: Channel = { kind: 'mqtt', address: 'tocsin/messages/kept', retain: true };
    const passing: Channel = { kind: 'mqtt', address: 'tocsin/messages/passing', retain: false };
    for (const channel of [kept, passing]) {
      const { address } = channel;
      expect(await notifier.send(messageTo(channel), never)).toEqual({ outcome: 'delivered', detail: `published to ${address}` });
    }
    const client = await connectAsync(broker.url);
    const got: { topic: string; text: string; retain: boolean }[] = [];
    client.on('message', (topic, payload, { retain }) => got.push({ topic, text: payload.toString(), retain }));
    await client.subscribeAsync('tocsin/messages/#', { qos: 1 });
    await notifier.send(messageTo(passing), never);
    await expect.poll(() => got.length).toBe(2);
    expect(got).toEqual([
      { topic: kept.address, text: messageJson(messageTo(kept)), retain: true },
      { topic: passing.address, text: messageJson(messageTo(passing)), retain: false },
    ]);
    await client.endAsync();
  });

  it('waits for a broker where there is none', async () => {
    const notifier = createMqttNotifier({ publish: null, clock });
    const outcome = await notifier.send(messageTo({ kind: 'mqtt', address: 'tocsin/x', retain: false }), never);
    expect(outcome).toEqual({ outcome: 'retryable', detail: 'tocsin/x: there is no MQTT broker here' });
  });
});
