/** What the ingest counts: messages by what became of them, readings, and how long a group commit takes. Plain numbers, read when asked for. */
import { Counter, Histogram, type Registry } from 'prom-client';

const OUTCOMES = ['accepted', 'partial', 'ignored', 'quarantined', 'duplicate', 'refused', 'dropped'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Metrics {
  readonly messages: Record<Outcome, number>;
  readings: number;
  readonly append: Histogram;
}

export function createMetrics(registry: Registry): Metrics {
  const messages = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  const append = new Histogram({
    name: 'tocsin_journal_append_seconds',
    help: 'Time of a group commit, from hand-over to fsync',
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  });
  const metrics: Metrics = { messages, readings: 0, append };
  new Counter({
    name: 'tocsin_messages_total',
    help: 'Messages received, by what became of them',
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      this.reset();
      for (const outcome of OUTCOMES) this.inc({ outcome }, messages[outcome]);
    },
  });
  new Counter({
    name: 'tocsin_readings_total',
    help: 'Readings journaled',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(metrics.readings);
    },
  });
  return metrics;
}
