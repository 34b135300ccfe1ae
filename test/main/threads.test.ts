/** A consumer's thread that dies is started again from its own cursors, and nothing else stops for it: src/workers/start.ts. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { setUpStage } from '../crash/stage.ts';
import { startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';
import { eventually } from '../scenarios/scene.ts';
import { evaluateInThread, WITH_DEBUGGER } from './debugger.ts';

const DEATHS = [
  ['ends', 'process.exit(7)'],
  ['throws', 'setTimeout(() => { throw new Error("provoked by a test") })'],
  ['leaves a promise rejected', 'void Promise.reject(new Error("provoked by a test"))'],
] as const;

describe('a thread', { timeout: 120_000 }, () => {
  it.each(['history', 'decisions'].flatMap((thread) => DEATHS.map(([how, expression]) => ({ thread, how, expression }))))(
    '$thread that $how under load is started again; nothing is lost, doubled or told twice',
    async ({ thread, expression }) => {
      await using stage = await setUpStage({ start: { environment: WITH_DEBUGGER }, fleet: { readingsPerSecond: 1000 } });
      stage.fleet.start();
      await using server = await stage.start();
      await systemClock.sleep(1500);
      const before = stage.fleet.acknowledged;
      expect(before).toBeGreaterThan(0);

      await evaluateInThread(server, thread, expression);
      await eventually('readiness says so', 5000, async () => (await server.get('/readyz')).status === 503);
      expect((await server.get('/readyz')).body).toMatchObject({ ready: false, reasons: [expect.stringContaining(thread)] });
      // Devices are served meanwhile, and so are the other threads' parts.
      const during = stage.fleet.acknowledged;
      await eventually('devices are acknowledged', 5000, () => stage.fleet.acknowledged > during + 200);
      expect((await server.get('/metrics')).status).toBe(200);
      expect((await server.get(thread === 'history' ? '/api/v1/alerts' : '/api/v1/quarantine')).status).toBe(200);
      expect((await server.get(thread === 'history' ? '/api/v1/quarantine' : '/api/v1/alerts')).status).toBe(503);

      await eventually('it is ready again', 20_000, async () => (await server.get('/readyz')).status === 200);
      await systemClock.sleep(1000);
      const { faults, ...figures } = await stage.settle(server);
      console.log(JSON.stringify(figures));
      expect(faults).toEqual([]);
      expect(figures.alerts).toBeGreaterThan(0);
      expect(figures.acknowledged).toBe(figures.sent);
      await server.stop();
    },
  );

  const LAST = ['journal', 'broker'].flatMap((thread) => DEATHS.map(([how, expression]) => ({ thread, how, expression })));
  it.each(LAST)('of the $thread that $how ends the process with status 70: without it nothing can be promised', async (death) => {
    const { thread, expression } = death;
    using folder = temporaryFolder('thread');
    await writeServerConfig(folder.path, { rules: [] });
    await using server = await startServer({ folder: folder.path, environment: WITH_DEBUGGER });
    await evaluateInThread(server, thread === 'journal' ? 'sqlite-worker' : 'broker-worker', expression);
    await eventually('its end', 10_000, () => !server.isRunning());
    expect(await server.ended).toEqual({ code: 70, signal: null });
    expect(server.stderrTail()).toContain(`the ${thread}'s thread `);
    await using next = await startServer({ folder: folder.path });
    expect((await next.get('/readyz')).status).toBe(200);
  });
});
