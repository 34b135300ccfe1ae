/** Who would be told if a rule fired now, at each of its levels, and why: the decision that notifying would take. Pure. */
import type { Explained, Explanation, NothingToExplain, RuleExplanation } from '../alerts/explaining.ts';
import type { Alert, Level } from '../domain/alert.ts';
import type { Channel } from '../domain/notification.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';

export interface Telling {
  readonly level: Level;
  /** Nobody, where there is none. In order of each one's channels, the message goes to the first that takes it. */
  readonly contacts: readonly { readonly id: string; readonly channels: readonly Channel[] }[];
  readonly reason: string;
}

/** What an explanation says of a rule, with who would hear of it. */
export type ToldRule = RuleExplanation & { readonly ifItFired: readonly Telling[] };
export type ToldExplanation = Omit<Explanation, 'rules'> & { readonly rules: readonly ToldRule[] };

export function withTellings(explained: Explained, dispatcher: Dispatcher): ToldExplanation | NothingToExplain {
  if ('unknown' in explained) return explained;
  const device = explained.device?.id ?? null;
  return { ...explained, rules: explained.rules.map((rule) => ({ ...rule, ifItFired: tellingsIn(rule, device, dispatcher) })) };
}

function tellingsIn(rule: RuleExplanation, device: string | null, dispatcher: Dispatcher): Telling[] {
  const raised = rule.silence?.raises ?? null;
  const levels = new Set([...rule.levels.map(({ level }) => level), ...(raised === null ? [] : [raised])]);
  return [...levels].map((level) => {
    const routes = dispatcher.preview(hypothetical(rule, device ?? rule.group ?? '', level));
    const told = [...new Set(routes.flatMap(({ contacts }) => contacts))];
    const reasons = routes.map(({ plan, contacts, mutes }) => {
      const whom = contacts.length === 0 ? 'tells nobody' : `to ${contacts.join(', ')}`;
      return `${plan.name} ${whom}${mutes.length === 0 ? '' : `; held back now: ${mutes.join(', ')}`}`;
    });
    return { level, contacts: told.map((id) => ({ id, channels: channelsOf(id, dispatcher) })), reason: reasons.join('; ') };
  });
}

const channelsOf = (id: string, { policy }: Dispatcher): readonly Channel[] => policy.contacts.get(id)?.channels ?? [];

function hypothetical({ rule, group, labels, alert }: RuleExplanation, device: string, level: Level): Alert {
  return {
    id: alert?.id ?? 'if it fired',
    rule,
    device: group ?? device,
    ...(group !== null && { group }),
    level,
    state: 'firing',
    flags: [],
    since: 0,
    firedAt: 0,
    resolvedAt: null,
    value: null,
    summary: '',
    labels,
  };
}
