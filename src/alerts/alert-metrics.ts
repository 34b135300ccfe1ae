/** What alerting tells Prometheus. Counted in plain numbers while readings are worked through, handed over once a slice. */
import type { Counter, Registry } from 'prom-client';
import type { Alert, Transition } from '../domain/alert.ts';
import { counterOf, gaugeOf } from '../std/metrics.ts';
import type { Counts } from './evaluating.ts';

export class AlertMetrics {
  readonly #evaluations: Counter;
  readonly #late: Counter;
  readonly #conflicts: Counter;
  readonly #errors: Counter<'rule'>;
  readonly #commitRetries: Counter;
  readonly #letGo: Counter;
  readonly #open = new Map<string, Pick<Alert, 'level' | 'state'>>();
  #reported: Pick<Counts, 'evaluations' | 'lateValues' | 'conflictValues'> = { evaluations: 0, lateValues: 0, conflictValues: 0 };

  constructor(registry: Registry) {
    const counter = (name: string, help: string): Counter => counterOf(registry, { name, help });
    this.#evaluations = counter('tocsin_rule_evaluations_total', 'Rules evaluated on readings');
    this.#late = counter('tocsin_late_values_total', 'Values older than the newest of the same device and metric');
    this.#conflicts = counter('tocsin_conflict_values_total', 'Values that differ from one of the same device, metric and time');
    this.#commitRetries = counter('tocsin_alerting_commit_retries_total', 'Commits of alerting state that failed and are tried again');
    this.#letGo = counter(
      'tocsin_alerts_let_go_total',
      'Alerts that ended so long ago, or so many transitions ago, that they are no longer kept',
    );
    const errorHelp = 'Evaluations that failed and count as unknown';
    this.#errors = counterOf(registry, { name: 'tocsin_rule_errors_total', help: errorHelp, labelNames: ['rule'] });
    const open = this.#open;
    gaugeOf(registry, {
      name: 'tocsin_alerts',
      help: 'Open alerts',
      labelNames: ['level', 'state'],
      collect() {
        this.reset();
        for (const { level, state } of open.values()) this.inc({ level, state });
      },
    });
  }

  opened(alerts: Iterable<Alert>): void {
    for (const alert of alerts) this.#open.set(alert.id, alert);
  }

  committed(transitions: readonly Pick<Transition, 'alert'>[]): void {
    for (const { alert } of transitions) {
      if (alert.state === 'resolved') this.#open.delete(alert.id);
      else this.#open.set(alert.id, alert);
    }
  }

  counted(counts: Counts): void {
    this.#evaluations.inc(counts.evaluations - this.#reported.evaluations);
    this.#late.inc(counts.lateValues - this.#reported.lateValues);
    this.#conflicts.inc(counts.conflictValues - this.#reported.conflictValues);
    this.#reported = { ...counts };
  }

  ruleError(rule: string, count: number): void {
    this.#errors.inc({ rule }, count);
  }

  letGo(alerts: number): void {
    this.#letGo.inc(alerts);
  }

  commitRetried(): void {
    this.#commitRetries.inc();
  }
}
