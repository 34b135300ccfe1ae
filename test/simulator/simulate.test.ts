import { execFile } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { Aedes } from 'aedes';
import { describe, expect, it } from 'vitest';
import { SCENARIOS } from '../../simulator/scenario.ts';
import { simulate } from '../../simulator/simulate.ts';
import { systemClock } from '../../src/std/clock.ts';

const run = promisify(execFile);
const MAIN = new URL('../../simulator/main.ts', import.meta.url).pathname;

function listen(server: Server, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

describe('the simulator', () => {
  it('publishes at QoS 1 from a connection per device, and waits for a broker that comes later', async () => {
    const broker = await Aedes.createBroker();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      broker.handle(socket);
    });
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const received = new Map<string, number>();
    const clients = new Set<string>();
    broker.on('publish', (packet, client) => {
      if (client === null) return;
      clients.add(client.id);
      expect(packet.qos).toBe(1);
      expect(JSON.parse(packet.payload.toString())).toMatchObject({ temperature: expect.any(Number) });
      received.set(packet.topic, (received.get(packet.topic) ?? 0) + 1);
    });

    const stop = new AbortController();
    const lines: string[] = [];
    const scenario = SCENARIOS.fridges?.({ devices: 3, seed: 1 });
    if (scenario === undefined) throw new Error('no scenario fridges');
    const url = `mqtt://127.0.0.1:${port}`;
    const done = simulate({ url, scenario, intervalMs: 20, speed: 1, clock: systemClock, report: (line) => lines.push(line) }, stop.signal);
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await listen(server, port);
    await expect
      .poll(() => Math.min(...['01', '02', '03'].map((n) => received.get(`sensors/fridge-${n}/telemetry`) ?? 0)), { timeout: 15_000 })
      .toBeGreaterThan(3);
    stop.abort();
    const totals = await done;
    for (const socket of sockets) socket.destroy();
    server.close();
    await new Promise<void>((resolve) => broker.close(() => resolve()));

    expect([...clients].sort()).toEqual(['fridge-01', 'fridge-02', 'fridge-03']);
    expect(totals.acknowledged).toBeGreaterThan(9);
    expect(totals.skipped).toBeGreaterThan(0);
    expect(lines.at(0)).toContain('ECONNREFUSED');
    expect(lines).toContain(`connected to ${url}`);
  });

  it('explains itself', async () => {
    const { stdout } = await run(process.execPath, [MAIN, '--help']);
    expect(stdout).toMatch(/^usage: /);
  });

  it.each([
    ['--devices', '0'],
    ['--devices', 'many'],
    ['--interval', '5'],
    ['--url', 'http://127.0.0.1'],
    ['--scenario', 'toString'],
    ['--speed', '0'],
    ['--seed', 'x'],
    ['--sped', '1'],
  ])('refuses %s %s', async (name, value) => {
    await expect(run(process.execPath, [MAIN, name, value])).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining(name) });
  });
});
