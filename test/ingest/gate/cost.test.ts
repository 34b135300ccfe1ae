/** The gate is on the way of every message: it takes the place of a parser, and must not cost more than that did. */
import mqtt from 'mqtt-packet';
import { expect, it } from 'vitest';
import { deviceName, telemetryTopic } from '../../load/telemetry.ts';
import { publishPacket } from '../../load/wire.ts';
import { bareGate } from './harness.ts';

const MESSAGES = 900;
const ROUNDS = 200;

it.each([1, 50, MESSAGES])('a publish among hundreds in a chunk, on %i topics, costs less than in mqtt-packet', (topics) => {
  const payload = '{"temperature":21.37,"humidity":45.2}';
  const packets = Array.from({ length: MESSAGES }, (_, n) =>
    publishPacket({ topic: telemetryTopic(deviceName(n % topics)), payload, qos: 1, packetId: n + 1 }),
  );
  const chunk = Buffer.concat(packets);
  let count = 0;
  const parser = mqtt.parser().on('packet', () => {
    count += 1;
  });
  const gate = bareGate(() => {
    count += 1;
  });
  const nanosecondsOf = (parse: (chunk: Buffer) => unknown): number => {
    for (let round = 0; round < ROUNDS; round++) parse(chunk);
    const before = process.threadCpuUsage();
    for (let round = 0; round < ROUNDS; round++) parse(chunk);
    const { user, system } = process.threadCpuUsage(before);
    return ((user + system) * 1000) / ROUNDS / MESSAGES;
  };
  const inParser = nanosecondsOf((bytes) => parser.parse(bytes));
  const inGate = nanosecondsOf(gate);
  console.log(`${topics} topics: ${inGate.toFixed(0)} ns in the gate, ${inParser.toFixed(0)} ns in mqtt-packet`);
  expect(count).toBe(4 * ROUNDS * MESSAGES);
  expect(inGate).toBeLessThan(inParser / 2);
});
