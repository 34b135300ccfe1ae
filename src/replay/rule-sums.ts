/** What came of each rule: how often it fired, at which levels, how long, and how many messages it would have sent. */
import type { LEVELS, Level } from '../domain/alert.ts';

export interface RuleSum {
  readonly rule: string;
  readonly alerts: number;
  readonly perWeek: number;
  /** How often each level was reached, by a new alert or by one that fired already. */
  readonly levels: Readonly<Record<Level, number>>;
  /** Conditions that held, but not for as long as `for` asks. */
  readonly cancelled: number;
  readonly firingStill: number;
  readonly durationMs: { readonly total: number; readonly median: number; readonly longest: number };
  readonly messages: number;
}

interface Counting {
  alerts: number;
  readonly levels: Record<Level, number>;
  cancelled: number;
  firingStill: number;
  readonly durationsMs: number[];
  messages: number;
}

const WEEK_US = 7 * 86_400_000_000;

export class RuleSums {
  readonly #byRule = new Map<string, Counting>();

  constructor(rules: readonly string[]) {
    for (const rule of rules) this.#of(rule);
  }

  fired(rule: string, level: Level): void {
    this.#of(rule).alerts += 1;
    this.reached(rule, level);
  }

  reached(rule: string, level: Level): void {
    this.#of(rule).levels[level] += 1;
  }

  cancelled(rule: string): void {
    this.#of(rule).cancelled += 1;
  }

  lasted(rule: string, durationMs: number, isStill: boolean): void {
    const counting = this.#of(rule);
    counting.durationsMs.push(durationMs);
    if (isStill) counting.firingStill += 1;
  }

  told(rule: string): void {
    this.#of(rule).messages += 1;
  }

  /** @param periodUs what the rates are reckoned by */
  sums(periodUs: number): readonly RuleSum[] {
    return [...this.#byRule].map(([rule, { alerts, levels, cancelled, firingStill, durationsMs, messages }]) => {
      const sorted = durationsMs.toSorted((a, b) => a - b);
      const total = sorted.reduce((sum, duration) => sum + duration, 0);
      const durationMs = { total, median: medianOf(sorted), longest: sorted.at(-1) ?? 0 };
      const perWeek = periodUs > 0 ? (alerts * WEEK_US) / periodUs : 0;
      return { rule, alerts, perWeek, levels, cancelled, firingStill, durationMs, messages };
    });
  }

  #of(rule: string): Counting {
    const known = this.#byRule.get(rule);
    if (known !== undefined) return known;
    const levels = { info: 0, warning: 0, critical: 0 } satisfies Record<(typeof LEVELS)[number], number>;
    const counting: Counting = { alerts: 0, levels, cancelled: 0, firingStill: 0, durationsMs: [], messages: 0 };
    this.#byRule.set(rule, counting);
    return counting;
  }
}

function medianOf(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
