/** What would become of an alert if it fired at a time: on which routes it is, what holds it back there, and who hears of it. Pure. */
import { type Alert, levelRank } from '../../domain/alert.ts';
import type { DispatchState } from './dispatch-state.ts';
import { describe, type Muting } from './muting.ts';
import type { RoutePlan } from './policy.ts';
import type { AlertEntry } from './state.ts';
import { isInstanceFlapping, isSpent, toldOf } from './telling.ts';

export interface RoutePreview {
  readonly plan: RoutePlan;
  /** What holds it back, as `the silence of anna (maintenance)`. */
  readonly mutes: readonly string[];
  /** Whom the route names at the time. */
  readonly named: readonly string[];
  /** Who hears of it because they were told of it before. */
  readonly toldBefore: readonly string[];
  /** Whoever of both has had all messages of the hour: they hear of it in a digest. */
  readonly spent: readonly string[];
}

export interface AlertPreview {
  readonly routes: readonly RoutePreview[];
  /** Who has acknowledged it; null: nobody, or it is at a higher level now. */
  readonly acknowledgedBy: string | null;
  readonly isFlapping: boolean;
}

/** @param alert the open one, where there is one, at the level in question */
export function previewOf(alert: Alert, at: number, of: { readonly state: DispatchState; readonly muting: Muting }): AlertPreview {
  const { state, muting } = of;
  const entry = state.entry(alert.id);
  const told = entry === undefined ? [] : toldOf(state, entry);
  const routes = state.policy.routesOf(alert).map((plan): RoutePreview => {
    const named = state.policy.persons(plan.to, at);
    const toldBefore = told.filter((contact) => !named.includes(contact));
    return {
      plan,
      mutes: muting.mutesOf({ alert }, plan, at).map((key) => describe(muting.described({ alert }, plan, key))),
      named,
      toldBefore,
      spent: alert.level === 'critical' ? [] : [...named, ...toldBefore].filter((contact) => isSpent(state, contact, at)),
    };
  });
  return { routes, acknowledgedBy: acknowledgedBy(alert, entry), isFlapping: isInstanceFlapping(state, { alert }) };
}

function acknowledgedBy(alert: Alert, entry: AlertEntry | undefined): string | null {
  const acknowledgement = entry?.acknowledgement ?? null;
  return acknowledgement === null || levelRank(alert.level) > levelRank(acknowledgement.level) ? null : acknowledgement.by;
}
