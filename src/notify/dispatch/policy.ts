/**
 * notify.yaml and the rules' `flapping`, made ready for decisions. A route's key is made of what it matches and how it groups:
 * it stays the same when routes before it come and go, so that a reload of an unchanged route is silent.
 */
import { createHash } from 'node:crypto';
import type { Alert } from '../../domain/alert.ts';
import type { Contact, Schedule } from '../../domain/notification.ts';
import type { Rule } from '../../domain/rule.ts';
import { onCallAt } from '../calendar.ts';
import { labelOf, matches } from '../matching.ts';
import type { Escalation, Grouping, Inhibition, NotifyConfig, Route } from '../notify-config.ts';

export interface RoutePlan extends Grouping {
  readonly key: string;
  /** `the route on line 5`, `the default`. */
  readonly name: string;
  readonly to: readonly string[];
}

export const DEFAULT_ROUTE = 'default';
const KEY_LENGTH = 12;

export class Policy {
  readonly config: NotifyConfig;
  /** Of everything that decides: equal ones decide alike. */
  readonly fingerprint: string;
  readonly contacts: ReadonlyMap<string, Contact>;
  readonly schedules: ReadonlyMap<string, Schedule>;
  readonly inhibitions: readonly (Inhibition & { readonly key: string })[];
  readonly escalations: ReadonlyMap<string, Escalation>;
  readonly #flapping: ReadonlyMap<string, Rule['flapping']>;
  readonly #routes: readonly { readonly route: Route; readonly plan: RoutePlan }[];
  readonly #default: RoutePlan;
  readonly #plans: ReadonlyMap<string, RoutePlan>;

  constructor(config: NotifyConfig, rules: readonly Pick<Rule, 'id' | 'flapping'>[]) {
    this.config = config;
    this.#flapping = new Map(rules.map(({ id, flapping }) => [id, flapping]));
    this.fingerprint = hashOf([config, rules.map(({ id, flapping }) => [id, flapping])]);
    this.contacts = new Map(config.contacts.map((contact) => [contact.id, contact]));
    this.schedules = new Map(config.schedules.map((schedule) => [schedule.id, schedule]));
    this.inhibitions = keyed(config.inhibitions).map(([key, inhibition]) => ({ ...inhibition, key }));
    this.escalations = new Map(keyed(config.escalations));
    const keys = keyed(config.routes.map(({ match, groupBy }) => ({ match, groupBy }))).map(([key]) => key);
    this.#routes = config.routes.map((route, index) => ({
      route,
      plan: {
        ...route,
        key: keys[index] ?? '',
        name: route.place.line === 0 ? 'the built-in route' : `the route on line ${route.place.line}`,
      },
    }));
    this.#default = { ...config.default, key: DEFAULT_ROUTE, name: 'no route matches: the default' };
    this.#plans = new Map([...this.#routes.map(({ plan }) => plan), this.#default].map((plan) => [plan.key, plan]));
  }

  /** One at least: the default is for what no route matches. */
  routesOf(alert: Alert): readonly RoutePlan[] {
    const plans: RoutePlan[] = [];
    for (const { route, plan } of this.#routes) {
      if (!matches(route.match, alert)) continue;
      plans.push(plan);
      if (!route.continue) break;
    }
    return plans.length > 0 ? plans : [this.#default];
  }

  route(key: string): RoutePlan | undefined {
    return this.#plans.get(key);
  }

  routes(): Iterable<RoutePlan> {
    return this.#plans.values();
  }

  /** Who is meant at that time, each once: on-call contacts stand for others. Who is no contact any more is left out. */
  persons(ids: readonly string[], now: number): string[] {
    const of = { contacts: this.contacts, schedules: this.schedules };
    const persons = ids.flatMap((id) => {
      const contact = this.contacts.get(id);
      return contact === undefined ? [] : contact.onCall === null ? [id] : onCallAt(contact, now, of);
    });
    return [...new Set(persons)].filter((id) => this.contacts.has(id));
  }

  /** Of a rule that is gone, as of one that says nothing of it: off. */
  flappingOf(rule: string): Rule['flapping'] {
    return this.#flapping.get(rule) ?? null;
  }
}

export function groupValues(plan: RoutePlan, alert: Alert): Record<string, string> {
  return Object.fromEntries(plan.groupBy.map((name) => [name, labelOf(alert, name)]));
}

export const groupKey = (plan: RoutePlan, by: Readonly<Record<string, string>>): string =>
  `${plan.key}/${JSON.stringify(plan.groupBy.map((name) => by[name]))}`;

/** Of equal ones the second is `…-2`. */
function keyed<T>(items: readonly T[]): [key: string, item: T][] {
  const seen = new Map<string, number>();
  return items.map((item) => {
    const hash = hashOf(item);
    const count = (seen.get(hash) ?? 0) + 1;
    seen.set(hash, count);
    return [count === 1 ? hash : `${hash}-${count}`, item];
  });
}

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, KEY_LENGTH);
