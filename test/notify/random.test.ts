/**
 * A random world for notifying: alerts, silences, acknowledgements, schedules, storms, channels that fail, kills and reloads, on the real
 * service and a real state file. What came of it is judged by a model of its own (`random/model.ts`), which knows the rules and nothing of
 * the dispatcher: whoever was to hear of an alert did, or the timeline says why not; no message without cause; no repeat by a restart;
 * limits held.
 *
 * The seed is printed. `RANDOM_EVENTS=200000 RANDOM_SEED=7` runs more of it, from that seed on, 500 events a world.
 */
import { describe, expect, it } from 'vitest';
import { Judging } from './random/judging.ts';
import { runScript, type Told } from './random/run.ts';
import { randomScript } from './random/world.ts';

const EVENTS_PER_WORLD = 500;
const EVENTS = Number(process.env.RANDOM_EVENTS ?? 2000);
const FIRST_SEED = Number(process.env.RANDOM_SEED ?? 101);
/**
 * Worlds that found faults of ours: a silence until resolved that outlived an end in a backlog; alerts said to flap that were over; a
 * digest that left out what another route of the contact muted.
 */
const SEEDS = [20260105, 2015, 3001, 825134];
const WORLD_TIMEOUT_MS = 120_000;

const messagesOf = ({ seen }: Told): string[] =>
  seen.flatMap(({ kind, ref, contact, at }) => (kind === 'message' ? [`${ref} ${contact} ${at}`] : [])).sort();

describe(`a random world (RANDOM_SEED=${FIRST_SEED})`, () => {
  const seeds = [
    ...SEEDS,
    ...Array.from({ length: Math.max(1, Math.round(EVENTS / EVENTS_PER_WORLD)) - 1 }, (_, index) => FIRST_SEED + index),
  ];
  for (const seed of seeds) {
    it(`of seed ${seed} tells whom it has to, and nobody without cause`, { timeout: WORLD_TIMEOUT_MS }, async () => {
      const script = randomScript(seed, EVENTS_PER_WORLD);
      const told = await runScript(script, { isTwin: false });
      const judging = new Judging(told);
      expect(judging.judge()).toEqual([]);
      // It was worth judging.
      expect(told.sent.length).toBeGreaterThan(0);
      const left = Object.entries(told.left).filter(
        ([kind, count]) => ['alert', 'group', 'mute', 'summary', 'storm'].includes(kind) && count > 0,
      );
      expect(left).toEqual([]);
      expect(told.rows.filter(({ state }) => state === 'waiting')).toEqual([]);
      // Without the kills the same messages are decided on: none because of a restart, and none is lost by one.
      const twin = await runScript(script, { isTwin: true });
      expect(messagesOf(told)).toEqual(messagesOf(twin));
    });
  }
});
