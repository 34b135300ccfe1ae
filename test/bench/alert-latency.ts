/**
 * How long a threshold crossing takes to become a mail: from the write of the publish to the end of SMTP DATA at a real
 * server, while the rest of the fleet publishes at a steady rate. The crossings come from this process, which also runs
 * the SMTP server, so that both ends are on one clock.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { systemClock } from '../../src/std/clock.ts';
import { forkPublisher } from '../load/fork.ts';
import { Histogram } from '../load/histogram.ts';
import { startSmtpSink } from '../load/smtp-sink.ts';
import { deviceName, telemetryTopic } from '../load/telemetry.ts';
import { connectPacket, publishPacket } from '../load/wire.ts';
import type { History } from './options.ts';
import { startTocsin } from './subjects.ts';

export interface AlertLatency {
  readonly history: History;
  readonly offeredPerSecond: number;
  readonly crossings: number;
  /** Crossings whose mail had not come when the wait ended. */
  readonly missing: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const CROSSING_EVERY_MS = 100;
/** So many devices take turns: each has cooled down long before it crosses again. */
const CROSSING_DEVICES = 50;
const PREFIX = 'alert-';
const MAIL_WAIT_MS = 10_000;
const RULE = {
  id: 'too-hot',
  // Each crossing is timed.
  flapping: 'off',
  devices: { id: `${PREFIX}*` },
  levels: { critical: { when: 'temperature > 60', clear: 'temperature < 50' } },
};

export async function measureAlertLatency(options: {
  readonly history: History;
  readonly influxUrl?: string;
  readonly rate: number;
  readonly rules: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}): Promise<AlertLatency> {
  await using sink = await startSmtpSink();
  const { rate, seconds, warmUpSeconds, ...subjectOptions } = options;
  await using subject = await startTocsin({ ...subjectOptions, smtpUrl: sink.url, moreRules: [RULE] });
  const latency = new Histogram();
  const crossedAt = new Map<string, number>();
  sink.onMail = (mail) => {
    const device = new RegExp(`${PREFIX}\\d+`).exec(mail.subject)?.[0] ?? '';
    const sentAt = crossedAt.get(device);
    // The mail about the end of an alert finds no crossing under way: its device was taken out by the first one.
    if (sentAt === undefined) return;
    crossedAt.delete(device);
    if (sentAt >= measuredFromMs) latency.record(mail.atMs - sentAt);
  };
  let crossings: Promise<number> = Promise.resolve(0);
  // Crossings begin with the warm-up: the first mail pays for the connection to the mail server, which is kept open then.
  let measuredFromMs = Number.POSITIVE_INFINITY;
  const load = { port: subject.mqttPort, connections: 50, window: 100, devices: 500, warmUpSeconds, seconds, rate, seed: 1 };
  await forkPublisher(load, (event) => {
    if (event.event === 'connected') crossings = cross(subject.mqttPort, (warmUpSeconds + seconds) * 1000, crossedAt);
    if (event.event === 'measuring') measuredFromMs = systemClock.monotonicMs();
  });
  const count = await crossings;
  const deadline = systemClock.monotonicMs() + MAIL_WAIT_MS;
  while (crossedAt.size > 0 && systemClock.monotonicMs() < deadline) await systemClock.sleep(20);
  return {
    history: options.history,
    offeredPerSecond: rate,
    crossings: count,
    missing: crossedAt.size,
    p50Ms: latency.quantile(0.5),
    p99Ms: latency.quantile(0.99),
    maxMs: latency.max,
  };
}

/** Lets a device cross the threshold every so often and the one half a turn behind cool down again. Answers how many crossed. */
async function cross(port: number, durationMs: number, crossedAt: Map<string, number>): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.resume();
  socket.write(connectPacket({ clientId: 'bench-crossing', clean: true, keepaliveSeconds: 0 }));
  await once(socket, 'connect');
  const start = systemClock.monotonicMs();
  let packetId = 0;
  let crossings = 0;
  const publish = (device: string, temperature: number): void => {
    packetId = (packetId % 65_535) + 1;
    const payload = `{"temperature":${temperature},"humidity":45.2}`;
    socket.write(publishPacket({ topic: telemetryTopic(device), payload, qos: 1, packetId }));
  };
  while (systemClock.monotonicMs() - start < durationMs) {
    const device = deviceName(crossings % CROSSING_DEVICES, PREFIX);
    publish(deviceName((crossings + CROSSING_DEVICES / 2) % CROSSING_DEVICES, PREFIX), 20 + (crossings % 50) / 10);
    crossedAt.set(device, systemClock.monotonicMs());
    publish(device, 70 + (crossings % 50) / 10);
    crossings += 1;
    await systemClock.sleep(start + crossings * CROSSING_EVERY_MS - systemClock.monotonicMs());
  }
  socket.end();
  return crossings;
}
