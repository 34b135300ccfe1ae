/**
 * What the broker remembers, under SIGKILL: subscriptions of persistent sessions, retained messages, and every message that was
 * acknowledged to its publisher and not by its subscriber. Killed while all of it is in motion; `CRASH_SEED` repeats a run.
 */
import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt';
import { describe, expect, it } from 'vitest';
import { systemClock as clock } from '../../src/std/clock.ts';
import { startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';
import { seededRandom } from '../load/telemetry.ts';
import { eventually } from './stage.ts';

const KILLS = 4;
const MESSAGES = 400;
const WAIT_MS = 30_000;
const SEED = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31));

interface Subscriber {
  readonly client: MqttClient;
  readonly got: IPublishPacket[];
  readonly isSessionPresent: boolean;
}

/** @param acknowledges whether what comes is acknowledged, or left in the air */
async function connect(port: number, options: { clientId: string; clean: boolean; acknowledges?: boolean }): Promise<Subscriber> {
  const { clientId, clean, acknowledges = true } = options;
  const got: IPublishPacket[] = [];
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId, clean, reconnectPeriod: 0 });
  client.handleMessage = (packet, callback) => {
    got.push(packet);
    if (acknowledges) callback();
  };
  client.on('error', () => undefined);
  const connack = await new Promise<{ sessionPresent: boolean }>((resolve) => client.once('connect', resolve));
  return { client, got, isSessionPresent: connack.sessionPresent };
}

const numbers = (packets: readonly IPublishPacket[]): number[] => packets.map(({ payload }) => Number(String(payload)));

describe('killed while messages are on their way to sessions', () => {
  it('keeps sessions, subscriptions, what is retained and what was acknowledged for them, in order', { timeout: 240_000 }, async () => {
    console.log(`seed: CRASH_SEED=${SEED}`);
    const random = seededRandom(SEED);
    using folder = temporaryFolder('sessions-crash');
    await writeServerConfig(folder.path, { rules: [] });
    let sent = 0;
    let expectedFrom = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const server = await startServer({ folder: folder.path });
      for (const clientId of ['away', 'unheard']) {
        const subscriber = await connect(server.mqttPort, { clientId, clean: false, acknowledges: false });
        expect(subscriber.isSessionPresent).toBe(kill > 0);
        // The subscription is there from the first start on: it is made once.
        if (kill === 0) await subscriber.client.subscribeAsync('queue/+', { qos: 1 });
        if (clientId === 'away') await subscriber.client.endAsync();
      }
      const publisher = await connect(server.mqttPort, { clientId: 'publisher', clean: true });
      const acknowledged: number[] = [];
      for (let n = 0; n < MESSAGES; n++) {
        const number = sent + n;
        publisher.client.publish('queue/a', `${number}`, { qos: 1, retain: true }, (error) => {
          if (!error) acknowledged.push(number);
        });
      }
      const enough = Math.floor(random() * MESSAGES);
      await eventually(`${enough} messages acknowledged`, WAIT_MS, () => acknowledged.length >= enough);
      await server.kill();
      publisher.client.end(true);
      const last = acknowledged.at(-1) ?? sent - 1;
      const again = await startServer({ folder: folder.path });
      const reader = await connect(again.mqttPort, { clientId: 'reader', clean: true });
      await reader.client.subscribeAsync('queue/#');
      await eventually('the retained message', WAIT_MS, () => last < 0 || reader.got.length > 0);
      // Not older than the last one acknowledged: of what was under way, any may have got there.
      expect(numbers(reader.got.filter(({ retain }) => retain))[0] ?? -1).toBeGreaterThanOrEqual(last);
      for (const clientId of ['away', 'unheard']) {
        const subscriber = await connect(again.mqttPort, { clientId, clean: false });
        expect(subscriber.isSessionPresent).toBe(true);
        await eventually(`${clientId} has what was acknowledged`, WAIT_MS, () => (numbers(subscriber.got).at(-1) ?? -1) >= last);
        await clock.sleep(200);
        const got = numbers(subscriber.got);
        expect(got).toEqual(Array.from({ length: got.length }, (_, index) => expectedFrom + index));
        if (clientId === 'unheard') {
          // All came to it while it was connected, and was never acknowledged.
          expect(subscriber.got.map(({ dup }) => dup)).toEqual(got.map(() => true));
        } else {
          expect(subscriber.got.map(({ dup }) => dup)).toEqual(got.map(() => false));
          sent = (got.at(-1) ?? sent - 1) + 1;
        }
        await subscriber.client.endAsync();
      }
      await eventually('queues are empty', WAIT_MS, async () => (await again.metrics()).sum('tocsin_mqtt_queued') === 0);
      expectedFrom = sent;
      reader.client.end(true);
      await again.stop();
    }
  });
});
