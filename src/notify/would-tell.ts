/** Who would be told if a rule fired now, at each of its levels, and why: the decision that notifying would take. Pure. */
import type { Explained, Explanation, NothingToExplain, RuleExplanation } from '../alerts/explaining.ts';
import type { Alert, Level } from '../domain/alert.ts';
import type { Channel } from '../domain/notification.ts';
import type { NotifyConfig } from './config.ts';
import { decide } from './decide.ts';

export interface Telling {
  readonly level: Level;
  /** Nobody, where there is none. In order of each one's channels, the message goes to the first that takes it. */
  readonly contacts: readonly { readonly id: string; readonly channels: readonly Channel[] }[];
  readonly reason: string;
}

/** What an explanation says of a rule, with who would hear of it. */
export type ToldRule = RuleExplanation & { readonly ifItFired: readonly Telling[] };
export type ToldExplanation = Omit<Explanation, 'rules'> & { readonly rules: readonly ToldRule[] };

/** @param told who was told of an alert already, by its id */
export function withTellings(
  explained: Explained,
  config: NotifyConfig,
  told: (alert: string) => readonly string[],
): ToldExplanation | NothingToExplain {
  if ('unknown' in explained) return explained;
  const device = explained.device?.id ?? null;
  return { ...explained, rules: explained.rules.map((rule) => ({ ...rule, ifItFired: tellingsIn(rule, device, { config, told }) })) };
}

function tellingsIn(
  rule: RuleExplanation,
  device: string | null,
  memory: { config: NotifyConfig; told: (alert: string) => readonly string[] },
): Telling[] {
  const { config, told } = memory;
  const raised = rule.silence?.raises ?? null;
  const levels = new Set([...rule.levels.map(({ level }) => level), ...(raised === null ? [] : [raised])]);
  return [...levels].map((level) => {
    const alert = hypothetical(rule, device ?? rule.group ?? '', level);
    const at = alert.since;
    const transition = {
      id: `${alert.id}/0`,
      sequence: 0,
      kind: 'firing',
      fromLevel: null,
      alert,
      at,
      receivedAt: null,
      reason: '',
    } as const;
    const { contacts, reason } = decide(transition, { config, told: rule.alert === null ? [] : told(rule.alert.id) });
    return { level, contacts: contacts.map((id) => ({ id, channels: channelsOf(id, config) })), reason };
  });
}

const channelsOf = (id: string, { contacts }: NotifyConfig): readonly Channel[] =>
  contacts.find((contact) => contact.id === id)?.channels ?? [];

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
