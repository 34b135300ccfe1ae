/**
 * A whole fleet comes back at once, with TLS and generated passwords: all are in within 30 s, and who is connected already goes on being
 * acknowledged, as nothing of a login sits in front of fsync. The fleet shares this machine with what it connects to.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import mqtt from 'mqtt';
import { describe, expect, it } from 'vitest';
import { generatePassword, hashGenerated } from '../../src/access/password.ts';
import { systemClock as clock } from '../../src/std/clock.ts';
import { createAuthority } from '../access/certificates.ts';
import type { FleetOrder, FleetRound } from '../load/fleet-worker.ts';
import { type Server, startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';

const DEVICES = process.env.TEST_TIER === 'long' ? 2000 : 400;
const BACK_WITHIN_MS = 30_000;
const ROUNDS = 2;
/** Of a lone publisher, which is acknowledged in a millisecond or two when nothing else goes on; on a machine that has other work to do, in longer. */
const ACKNOWLEDGED_WITHIN_MS = 250;
const SLOWER_AT_MOST = 3;
const QUIET_MS = 2000;

interface Device {
  readonly id: string;
  readonly password: string;
}

async function startWith(devices: readonly Device[], folder: string): Promise<{ server: Server; ca: string }> {
  const config = join(folder, 'config');
  await mkdir(config, { recursive: true });
  const authority = createAuthority(config);
  authority.issue('server');
  const tls = { cert: 'server.pem', key: 'server.key' };
  const listeners = ['mqtts://127.0.0.1:0', 'mqtt://127.0.0.1:0'];
  await writeServerConfig(folder, { settings: { mqtt: { listeners, anonymous: true, tls } }, rules: [] });
  const entries = devices.map(({ id, password }) => [id, { passwords: [hashGenerated(password)] }]);
  await writeFile(join(config, 'credentials.yaml'), JSON.stringify({ devices: Object.fromEntries(entries) }), { mode: 0o600 });
  return { server: await startServer({ folder }), ca: readFileSync(authority.ca, 'utf8') };
}

/** Calls back after each round in which all have come back. */
function storm(order: FleetOrder, onRound: (round: FleetRound) => void): Promise<void> {
  const worker = new Worker(new URL('../load/fleet-worker.ts', import.meta.url), { workerData: order });
  worker.on('message', onRound);
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
}

/** Publishes one after the other until it is told to stop. @returns the milliseconds until each was acknowledged */
async function measure(port: number, until: Promise<unknown>): Promise<number[]> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: 'steady' });
  let isOver = false;
  void until.finally(() => {
    isOver = true;
  });
  const waitsMs: number[] = [];
  for (let index = 0; !isOver; index++) {
    const sentMs = clock.monotonicMs();
    await client.publishAsync('sensors/steady/count', String(index), { qos: 1 });
    waitsMs.push(clock.monotonicMs() - sentMs);
    await clock.sleep(5);
  }
  await client.endAsync();
  return waitsMs.sort((a, b) => a - b);
}

const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

describe(`${DEVICES} devices that reconnect at once`, { timeout: 120_000 }, () => {
  it('are all back within 30 s, and commits go on meanwhile', async () => {
    using folder = temporaryFolder('storm');
    const devices = Array.from({ length: DEVICES }, (_, index) => ({ id: `d-${index}`, password: generatePassword() }));
    const { server, ca } = await startWith(devices, folder.path);
    await using _server = server;
    const quiet = await measure(server.mqttPort, clock.sleep(QUIET_MS));

    const rounds: FleetRound[] = [];
    const order = { devices, port: server.ports.mqtts ?? 0, ca, rounds: ROUNDS };
    const waitsMs = await measure(
      server.mqttPort,
      storm(order, (round) => rounds.push(round)),
    );
    const [quietMs, stormMs] = [quantile(quiet, 0.9), quantile(waitsMs, 0.9)];
    const told = rounds.map(({ backMs, retries }) => `back in ${backMs.toFixed()} ms, ${retries} tried again`).join('; ');
    console.info(`${DEVICES} devices: ${told}; 9 of 10 acknowledged in ${stormMs.toFixed(1)} ms, without them ${quietMs.toFixed(1)} ms`);
    expect(rounds).toHaveLength(ROUNDS);
    for (const { backMs } of rounds) expect(backMs).toBeLessThan(BACK_WITHIN_MS);
    expect(stormMs).toBeLessThan(ACKNOWLEDGED_WITHIN_MS + SLOWER_AT_MOST * quietMs);
    const metrics = await server.metrics();
    expect(metrics.sum('tocsin_mqtt_logins_total', { outcome: 'refused' })).toBe(0);
    const commits = metrics.sum('tocsin_journal_append_seconds_count');
    expect(metrics.sum('tocsin_journal_append_seconds_bucket', { le: '0.1' }) / commits).toBeGreaterThan(0.9);
  });
});
