/** The embedded history killed mid-write: what its cursor covers is there, once; nothing past it is half there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { expect, it } from 'vitest';
import { SqliteSeriesStore } from '../../src/history/sqlite-series-store.ts';
import { systemClock } from '../../src/std/clock.ts';
import { allReadings } from '../contracts/series-store.ts';
import { DEVICES } from './numbered.ts';

const KILLS = 8;

it('loses and doubles nothing when the embedded history is killed at any moment', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tocsin-kill-'));
  const path = join(folder, 'history.db');
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-writer.ts'), path], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.on('data', (text) => {
        output += text;
      });
      await once(child.stdout, 'data');
      await sleep(Math.random() * 250);
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      const durable = Number(output.trimEnd().split('\n').at(-1));
      const store = new SqliteSeriesStore({ path, keepMs: null, clock: systemClock, logger: pino({ level: 'silent' }) });
      const position = store.cursor(0)?.position ?? 0;
      // A number cut off by the kill is smaller than what was written.
      expect(position).toBeGreaterThanOrEqual(durable);
      const found: number[] = [];
      for (const device of DEVICES) {
        for (const { values } of await allReadings(store, { device: device.id, limit: 10_000 })) found.push(Number(values.n));
      }
      await store.close();
      expect(found.sort((a, b) => a - b)).toEqual(Array.from({ length: position }, (_, index) => index));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
