/** A rule as the HTTP API shows it: in the words of its file, with how many of its alerts are open. */
import type { Rule } from '../domain/rule.ts';
import { writtenDuration } from '../std/quantity.ts';

export interface RuleView {
  readonly id: string;
  /** `file:line` */
  readonly place: string;
  readonly devices: Rule['selector'];
  readonly by: readonly string[];
  readonly levels: readonly {
    readonly level: string;
    readonly when: string;
    readonly for: string;
    readonly clear: string | null;
    readonly count: { readonly times: number; readonly of: number } | null;
    readonly keepFiringFor: string;
  }[];
  readonly noData: {
    readonly after: string;
    readonly raise?: string;
    readonly then?: string;
    readonly metrics: readonly string[] | null;
  } | null;
  readonly summary: string | null;
  readonly description: string | null;
  readonly runbook: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly alerts: { readonly pending: number; readonly firing: number };
  /** Evaluations that failed since the start and counted as unknown, and why the last one did; null when none has. */
  readonly errors: { readonly count: number; readonly last: string } | null;
}

/** What is known of rules beside what is written, by id. */
export interface RuleStates {
  readonly open: ReadonlyMap<string, RuleView['alerts']>;
  readonly errors: ReadonlyMap<string, NonNullable<RuleView['errors']>>;
}

const LIMIT_DEFAULT = 100;
const NONE = { pending: 0, firing: 0 };

/** A page of them, by id; `cursor` is the last id of the page before. */
export function rulesPage(
  rules: readonly Rule[],
  { open, errors }: RuleStates,
  query: { cursor?: string; limit?: number },
): { items: RuleView[]; next: string | null } {
  const { cursor = '', limit = LIMIT_DEFAULT } = query;
  const rest = rules.filter(({ id }) => id > cursor).sort((left, right) => (left.id < right.id ? -1 : 1));
  const page = rest.slice(0, limit);
  return {
    items: page.map((rule) => viewOf(rule, open.get(rule.id) ?? NONE, errors.get(rule.id))),
    next: rest.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

function viewOf(rule: Rule, alerts: RuleView['alerts'], failed: NonNullable<RuleView['errors']> | undefined): RuleView {
  const { id, place, selector, by, levels, noData, summary, description, runbook, labels } = rule;
  return {
    id,
    place: `${place.file}:${place.line}`,
    devices: selector,
    by,
    levels: levels.map(({ level, when, forMs, clear, count, keepFiringForMs }) => ({
      level,
      when: when.text,
      for: writtenDuration(forMs),
      clear: clear?.text ?? null,
      count,
      keepFiringFor: writtenDuration(keepFiringForMs),
    })),
    noData: noData === null ? null : { after: writtenDuration(noData.afterMs), ...noData.action, metrics: noData.metrics },
    summary,
    description,
    runbook,
    labels,
    alerts,
    errors: failed === undefined ? null : { count: failed.count, last: failed.last },
  };
}
