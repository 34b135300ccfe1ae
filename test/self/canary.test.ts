/** How long the way takes, from where the stages are. */
import { describe, expect, it } from 'vitest';
import { Canary } from '../../src/self/canary.ts';

describe('the canary', () => {
  it('measures from posting until a stage has passed it', () => {
    const canary = new Canary();
    expect(canary.tookMs('evaluated', 0)).toBeNull();
    canary.posted(11, 1000);
    canary.reached('evaluated', 10, 1005);
    expect(canary.next('evaluated')).toBe(11);
    expect(canary.passedMs('evaluated')).toBeNull();
    canary.reached('evaluated', 11, 1020);
    expect([canary.tookMs('evaluated', 5000), canary.passedMs('evaluated'), canary.next('evaluated')]).toEqual([20, 1000, null]);
    expect(canary.next('stored'), 'another stage goes its own pace').toBe(11);
  });

  it('counts what is on its way once that is longer than the last one took', () => {
    const canary = new Canary();
    canary.posted(1, 0);
    canary.reached('evaluated', 1, 30);
    canary.posted(2, 10_000);
    expect(canary.tookMs('evaluated', 10_010)).toBe(30);
    expect(canary.tookMs('evaluated', 25_000)).toBe(15_000);
    expect(canary.waitedMs('evaluated', 25_000)).toBe(15_000);
    canary.reached('evaluated', 2, 26_000);
    expect([canary.tookMs('evaluated', 26_000), canary.waitedMs('evaluated', 26_000)]).toEqual([16_000, 0]);
  });

  it('remembers the oldest exactly over an outage of any length, in bounded memory', () => {
    const canary = new Canary();
    for (let at = 1; at <= 100_000; at++) canary.posted(at, at * 10_000);
    expect(canary.next('stored')).toBe(1);
    expect(canary.waitedMs('stored', 1_000_010_000)).toBe(1_000_000_000);
    canary.reached('stored', 50_000, 1_000_010_000);
    const left = canary.next('stored') ?? 0;
    expect(left, 'and where it is, closely enough').toBeGreaterThan(50_000);
    expect(left).toBeLessThan(52_000);
    canary.reached('stored', 100_000, 1_000_020_000);
    expect(canary.next('stored')).toBeNull();
    canary.posted(100_001, 1_000_030_000);
    expect(canary.next('stored'), 'once caught up, every one counts again').toBe(100_001);
  });
});
