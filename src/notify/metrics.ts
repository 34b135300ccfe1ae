/** What notifying counts. */
import type { Counter, Histogram, Registry } from 'prom-client';
import { counterOf, gaugeOf, histogramOf } from '../std/metrics.ts';
import type { Outbox } from './outbox.ts';

export interface NotifyMetrics {
  /** Attempts by outcome (delivered, retryable, permanent), and messages that ended without delivery (superseded, given-up). */
  readonly notifications: Counter<'channel' | 'outcome'>;
  readonly latencySeconds: Histogram;
}

export function createNotifyMetrics(registry: Registry, source: { outbox: Outbox; sending: () => number }): NotifyMetrics {
  gaugeOf(registry, {
    name: 'tocsin_outbox_messages',
    help: 'Messages in the outbox by state; ended ones are kept for 30 days',
    labelNames: ['state'],
    collect() {
      const sending = source.sending();
      const { waiting, ...ended } = source.outbox.counts();
      this.set({ state: 'waiting' }, Math.max(0, waiting - sending));
      this.set({ state: 'sending' }, sending);
      for (const [state, count] of Object.entries(ended)) this.set({ state }, count);
    },
  });
  return {
    notifications: counterOf(registry, {
      name: 'tocsin_notifications_total',
      help: 'Delivery attempts by outcome, and messages superseded or given up',
      labelNames: ['channel', 'outcome'],
    }),
    latencySeconds: histogramOf(registry, {
      name: 'tocsin_alert_latency_seconds',
      help: 'From receipt of the reading to its message taken by the channel (for e-mail: the answer after DATA)',
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600, 3600],
    }),
  };
}
