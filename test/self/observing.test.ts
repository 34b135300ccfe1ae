/** What observations come to. */
import { describe, expect, it } from 'vitest';
import { ClockSteps, type Observed, Observing, StuckConsumers } from '../../src/self/observing.ts';

const CALM: Observed = {
  nowMs: 0,
  now: 1e15,
  range: { first: 0, head: 1000 },
  stats: {
    bytes: 500_000,
    full: null,
    consumers: [
      { id: 'alerting', position: 1000, released: 900, lag: 0 },
      { id: 'history', position: 1000, released: 1000, lag: 0 },
      { id: 'quarantine', position: 1000, released: 1000, lag: 0 },
    ],
  },
  disk: { bytesMax: 1_000_000, reserveBytes: 1000, freeBytes: 50_000 },
  historyTrouble: null,
  channels: { failing: [], undelivered: [] },
  canary: { evaluatedMs: 12.3456, storedMs: 120, unstoredMs: 0 },
};

describe('a reading of itself', () => {
  it('has a value for everything that is known', () => {
    expect(new Observing().valuesOf(CALM)).toEqual({
      canary_s: 0.012,
      alerting_lag: 0,
      canary_history_s: 0.12,
      history_lag: 0,
      history_lag_s: 0,
      history_trouble: 'none',
      stuck_consumers: 0,
      stuck: 'none',
      disk_used: 0.5,
      disk_held: 0.05,
      disk_free: 50,
      clock_step_s: 0,
      channels_failing: 0,
      failing: 'none',
      undelivered: 0,
      undelivered_to: 'none',
    });
  });

  it('leaves out what nobody answered for, and says so of history', () => {
    const values = new Observing().valuesOf({
      ...CALM,
      channels: undefined,
      historyTrouble: undefined,
      disk: { ...CALM.disk, freeBytes: null },
      canary: { evaluatedMs: null, storedMs: null, unstoredMs: 0 },
    });
    expect(values).toMatchObject({ history_trouble: 'it gives no answer', disk_used: 0.5 });
    for (const absent of ['canary_s', 'canary_history_s', 'disk_free', 'channels_failing', 'undelivered'])
      expect(values).not.toHaveProperty(absent);
  });

  it('says nothing of a history that is not kept', () => {
    const consumers = CALM.stats.consumers.filter(({ id }) => id !== 'history');
    const values = new Observing().valuesOf({ ...CALM, stats: { ...CALM.stats, consumers } });
    expect(Object.keys(values).filter((name) => name.includes('history'))).toEqual([]);
  });

  it('takes for held only what a consumer has not released: the rest makes room by itself', () => {
    const full = { ...CALM.stats, bytes: 950_000 };
    const values = (released: number) => {
      const consumers = full.consumers.map((consumer) => (consumer.id === 'history' ? { ...consumer, released } : consumer));
      return new Observing().valuesOf({ ...CALM, stats: { ...full, consumers } });
    };
    expect(values(1000)).toMatchObject({ disk_used: 0.95, disk_held: 0.095, history_lag: 0 });
    expect(values(0)).toMatchObject({ disk_used: 0.95, disk_held: 0.95, history_lag: 1000 });
    expect(values(-1), 'has not said yet where it is').toMatchObject({ disk_held: 0.95 });
  });

  it('names who fails, a few of them', () => {
    const failing = Array.from({ length: 7 }, (_, index) => ({ channel: 'email', contact: `c${index}`, since: 0, detail: 'refused' }));
    const values = new Observing().valuesOf({ ...CALM, channels: { failing, undelivered: ['night', 'day'] } });
    expect(values).toMatchObject({ channels_failing: 7, undelivered: 2, undelivered_to: 'night; day' });
    expect(values.failing).toMatch(/^email to c0 \(refused\); .*; and 2 more$/);
  });

  it('does not call a history stuck that waits for its store', () => {
    const behind = { ...CALM.stats, consumers: [{ id: 'history', position: 5, released: 5, lag: 995 }] };
    for (const [trouble, stuck] of [['connection refused', 'none'] as const, [null, 'history'] as const]) {
      const observing = new Observing();
      observing.valuesOf({ ...CALM, stats: behind, historyTrouble: trouble });
      expect(observing.valuesOf({ ...CALM, nowMs: 61_000, now: 1e15 + 61e6, stats: behind, historyTrouble: trouble }).stuck).toBe(stuck);
    }
  });
});

describe('a consumer', () => {
  const at = (position: number, lag: number) => [{ id: 'alerting', position, released: 0, lag }];

  it('is stuck when it has not moved for more than a minute with something to read', () => {
    const stuck = new StuckConsumers();
    expect(stuck.observe(at(5, 3), 0)).toEqual([]);
    expect(stuck.observe(at(5, 9), 60_000)).toEqual([]);
    expect(stuck.observe(at(5, 9), 60_001)).toEqual(['alerting']);
    expect(stuck.observe(at(6, 8), 60_002), 'it moves').toEqual([]);
  });

  it('that had nothing to read for an hour is not', () => {
    const stuck = new StuckConsumers();
    stuck.observe(at(5, 0), 0);
    expect(stuck.observe(at(5, 1), 3_600_000)).toEqual([]);
    expect(stuck.observe(at(5, 1), 3_650_000)).toEqual([]);
    expect(stuck.observe(at(5, 2), 3_660_001)).toEqual(['alerting']);
  });

  it('that lags for ever and moves is not', () => {
    const stuck = new StuckConsumers();
    for (let tick = 0; tick < 100; tick++) expect(stuck.observe(at(tick, 1000), tick * 30_000)).toEqual([]);
  });
});

describe('a step of the clock', () => {
  it.each([
    ['forward', 7_200_000],
    ['back', -7_200_000],
  ])('%s shows for five minutes of real time, and ends by itself', (_, stepMs) => {
    const steps = new ClockSteps();
    let offsetMs = 0;
    const observe = (nowMs: number): number => steps.observe((1e12 + nowMs + offsetMs) * 1000, nowMs);
    expect(observe(0)).toBe(0);
    expect(observe(10_000)).toBe(0);
    offsetMs = stepMs;
    expect(observe(20_000)).toBe(7_200_000);
    expect(observe(30_000)).toBe(7_200_000);
    expect(observe(319_999)).toBe(7_200_000);
    expect(observe(320_000)).toBe(0);
  });

  it('shows the largest of several', () => {
    const steps = new ClockSteps();
    let offsetMs = 0;
    const observe = (nowMs: number, stepMs = 0): number => {
      offsetMs += stepMs;
      return steps.observe((1e12 + nowMs + offsetMs) * 1000, nowMs);
    };
    observe(0);
    expect(observe(10_000, 8000)).toBe(8000);
    expect(observe(20_000, 6000)).toBe(8000);
    expect(observe(310_000)).toBe(6000);
    expect(observe(330_000)).toBe(0);
  });

  it('is not what the clock is slewed by', () => {
    const steps = new ClockSteps();
    for (let tick = 0; tick < 100; tick++) expect(steps.observe(1e15 + tick * 10_005_000, tick * 10_000)).toBeLessThan(6);
  });
});
