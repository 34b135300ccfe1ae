/**
 * Bytes at random, most of them almost MQTT, into the broker: nothing crashes, nothing holds up the event loop, and what the gate hands on
 * is what mqtt-packet would have read. `FUZZ_PACKETS` and `FUZZ_SEED` repeat a run.
 */
import { createConnection } from 'node:net';
import mqtt, { type Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { type Random, seededRandom } from '../../load/telemetry.ts';
import { connectPacket, pingPacket } from '../../load/wire.ts';
import { bareGate, startInstance } from './harness.ts';

const PACKETS = Number(process.env.FUZZ_PACKETS ?? (process.env.TEST_TIER === 'long' ? 1_000_000 : 20_000));
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 1e9));
const HANG_MS = 50;
const BURST = 200;

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const pick = <T>(random: Random, values: readonly [T, ...T[]]): T => values[below(random, values.length)] ?? values[0];

const PARTS = ['a', 'sensors', 'd1', 't', '', '+', '#', 'ü', '€', '𝄞', '$SYS', 'tocsin', '\0', ' '] as const;
const topic = (random: Random): string => Array.from({ length: 1 + below(random, 5) }, () => pick(random, PARTS)).join('/');
const name = (random: Random): string => topic(random).replace(/[+#\0]/g, 'x') || 'x';
const bytes = (random: Random, max: number): Buffer => Buffer.from(Array.from({ length: below(random, max) }, () => below(random, 256)));

/** One that is right but for its strings: as a client may send it. */
function packet(random: Random, string: (random: Random) => string): Packet {
  const messageId = 1 + below(random, 65_535);
  const qos = below(random, 3) as 0 | 1 | 2;
  switch (below(random, 12)) {
    case 0:
      return {
        cmd: 'subscribe',
        messageId,
        subscriptions: Array.from({ length: 1 + below(random, 4) }, () => ({ topic: string(random), qos })),
      };
    case 1:
      return { cmd: 'unsubscribe', messageId, unsubscriptions: [string(random), string(random)] };
    case 2:
      return { cmd: pick(random, ['puback', 'pubrec', 'pubcomp']), messageId };
    case 3:
      return { cmd: 'pubrel', messageId };
    case 4:
      return { cmd: 'pingreq' };
    default: {
      const publish = { cmd: 'publish' as const, topic: string(random), payload: bytes(random, 200), retain: random() < 0.2 };
      return qos === 0 ? { ...publish, qos, dup: false } : { ...publish, qos, dup: random() < 0.2, messageId };
    }
  }
}

/** Most often a byte or two of a right one are changed, cut out or put in. */
function almost(random: Random): Buffer {
  const kind = random();
  if (kind < 0.05) return bytes(random, 40);
  if (kind < 0.08) return connectPacket({ clientId: topic(random), clean: random() < 0.5, keepaliveSeconds: below(random, 100) });
  const whole = mqtt.generate(packet(random, name));
  if (kind < 0.6) return whole;
  const at = below(random, whole.length);
  if (kind < 0.85) whole[at] = below(random, 256);
  else if (kind < 0.92) return Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1)]);
  else return Buffer.concat([whole.subarray(0, at), bytes(random, 4), whole.subarray(at)]);
  return whole;
}

/** What the gate hands on of these chunks. */
function handedOn(chunks: readonly Buffer[]): object[] {
  const packets: object[] = [];
  const parse = bareGate((packet) => packets.push(packet));
  for (const chunk of chunks) parse(chunk);
  return packets;
}

/** The same bytes in pieces of any length. */
function inPieces(random: Random, whole: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < whole.length; ) {
    const length = 1 + below(random, pick(random, [3, 30, 3000]));
    pieces.push(whole.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

describe(`MQTT at random (FUZZ_SEED=${SEED})`, () => {
  it('that is right is handed on as mqtt-packet reads it, however it is cut', () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 200; round++) {
      const sent = Array.from({ length: 20 }, () => packet(random, name));
      const whole = Buffer.concat(sent.map((one) => mqtt.generate(one)));
      const expected: Packet[] = [];
      mqtt
        .parser()
        .on('packet', (read) => expected.push(read))
        .parse(whole);
      expect(expected).toHaveLength(20);
      const found = handedOn(inPieces(random, whole));
      expect(found).toHaveLength(20);
      for (const [index, one] of found.entries()) {
        // Of mqtt-packet's fields those that the kind of packet has.
        for (const [key, value] of Object.entries(one)) expect([key, value]).toEqual([key, expected[index]?.[key as keyof Packet]]);
      }
    }
  });

  it('or almost right neither crashes the broker nor holds it up', { timeout: 60_000 + PACKETS }, async () => {
    await using instance = await startInstance({ connections: 0 });
    const random = seededRandom(SEED);
    let sent = 0;
    let longestMs = 0;
    while (sent < PACKETS) {
      const socket = createConnection({ port: instance.port, host: '127.0.0.1', noDelay: true });
      socket.on('error', () => undefined);
      socket.resume();
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(connectPacket({ clientId: `c${below(random, 50)}`, clean: random() < 0.5, keepaliveSeconds: 0 }));
      for (let n = 0; n < BURST && !socket.destroyed; n++) {
        const { user, system } = process.threadCpuUsage();
        socket.write(almost(random));
        sent += 1;
        await new Promise((resolve) => setImmediate(resolve));
        const used = process.threadCpuUsage({ user, system });
        longestMs = Math.max(longestMs, (used.user + used.system) / 1000);
      }
      socket.end();
      const gone = await Promise.race([closed.then(() => true), clock.sleep(100).then(() => false)]);
      if (!gone) socket.destroy();
    }
    expect(longestMs).toBeLessThan(HANG_MS);
    const probe = createConnection({ port: instance.port, host: '127.0.0.1' });
    probe.write(Buffer.concat([connectPacket({ clientId: 'probe', clean: true, keepaliveSeconds: 0 }), pingPacket]));
    const answer = await new Promise<Buffer>((resolve) => probe.once('data', resolve));
    expect(answer.subarray(0, 4)).toEqual(Buffer.from([0x20, 2, 0, 0]));
    probe.destroy();
    console.log(`${sent} packets at random, FUZZ_SEED=${SEED}: longest turn ${longestMs.toFixed(1)} ms of CPU`);
  });
});
