/**
 * A hundred reloads under load, by SIGHUP and over HTTP, each with something changed: a reload is what a restart is, and
 * like one it loses and repeats nothing. `RELOADS=1000` for a long run.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import type { Server } from '../load/server.ts';
import { FLEET_PROFILES, FLEET_RULES } from './fleet.ts';
import { setUpStage } from './stage.ts';

const RELOADS = Number(process.env.RELOADS ?? 100);
const PAUSE_MS = 100;

/**
 * What changes: a rule and devices that come and go, a `for`, a device's labels and a profile; nothing that the account is
 * about. A device that leaves the fleet has its alerts closed: those that speak stay in it.
 */
async function change(folder: string, round: number): Promise<void> {
  const [hot, never] = FLEET_RULES;
  const rules = [
    hot,
    { ...never, levels: { warning: { when: 'temperature > 90', for: `${10 + (round % 7)}m` } } },
    ...(round % 2 === 0 ? [{ id: 'now-and-then', levels: { warning: { when: `temperature > ${100 + round}` } } }] : []),
  ];
  await writeFile(join(folder, 'config', 'rules', 'rules.yaml'), JSON.stringify({ rules }));
  const devices = [
    { id: 'timed-01', labels: { round: String(round - (round % 3)) } },
    ...(round % 3 === 0 ? [{ id: `spare-${round}` }] : []),
  ];
  await writeFile(join(folder, 'devices', 'fleet.yaml'), JSON.stringify({ devices }));
  const [timed] = FLEET_PROFILES;
  await writeFile(join(folder, 'devices', 'profiles', 'timed.yaml'), JSON.stringify({ ...timed, interval: `${1 + (round % 5)}m` }));
}

async function reload(server: Server, round: number): Promise<void> {
  if (round % 4 === 3) {
    process.kill(server.pid, 'SIGHUP');
    await systemClock.sleep(PAUSE_MS);
    return;
  }
  const response = await fetch(new URL('/api/v1/reload', server.httpUrl), { method: 'POST' });
  const body: unknown = await response.json();
  expect({ round, status: response.status, body }).toMatchObject({ status: 200, body: { needsRestart: [] } });
}

describe('reloaded again and again under load', () => {
  it(`loses nothing, doubles nothing and tells everyone once, in ${RELOADS} reloads`, { timeout: 180_000 + RELOADS * 500 }, async () => {
    await using stage = await setUpStage();
    // Some reloads fall between a mail's arrival and the answer to it.
    stage.sink.answerDelayMs = 30;
    await using server = await stage.start();
    stage.fleet.start();
    const took: number[] = [];
    for (let round = 0; round < RELOADS; round++) {
      await change(stage.folder, round);
      const begun = systemClock.monotonicMs();
      await reload(server, round);
      took.push(systemClock.monotonicMs() - begun);
      await systemClock.sleep(Math.random() * PAUSE_MS);
    }
    const { faults, ...figures } = await stage.settle(server);
    took.sort((a, b) => a - b);
    const [median, longest] = [took[took.length >> 1] ?? 0, took.at(-1) ?? 0].map(Math.round);
    console.log(JSON.stringify({ ...figures, reloadMs: { median, longest }, reconnections: stage.fleet.reconnections }));
    expect(faults).toEqual([]);
    // A connection that broke, or a publish sent again, would say that something had stopped.
    expect(figures).toMatchObject({ acknowledged: figures.sent, sentAgain: 0, repeatedMails: 0, doubledByDevice: 0 });
    expect(figures.alerts).toBeGreaterThan(0);
    const metrics = await server.metrics();
    // Counters count on over reloads.
    expect(metrics.sum('tocsin_rule_evaluations_total')).toBeGreaterThanOrEqual(figures.readings * 2);
    expect(metrics.sum('tocsin_notifications_total', { outcome: 'delivered' })).toBe(figures.mails);
    await server.stop();
  });
});
