/** Who would be told if a rule fired now, at each of its levels, and why: the decision that notifying would take. Pure. */
import type { Explained, Explanation, NothingToExplain, RuleExplanation } from '../alerts/explaining.ts';
import type { Alert, Level } from '../domain/alert.ts';
import type { Channel } from '../domain/notification.ts';
import { formatDurationMs } from '../std/quantity.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import type { AlertPreview, RoutePreview } from './dispatch/previewing.ts';

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
  return {
    ...explained,
    rules: explained.rules.map((rule) => ({ ...rule, ifItFired: tellingsIn(rule, { device, at: explained.at, dispatcher }) })),
  };
}

function tellingsIn(rule: RuleExplanation, of: { device: string | null; at: number; dispatcher: Dispatcher }): Telling[] {
  const { device, at, dispatcher } = of;
  const raised = rule.silence?.raises ?? null;
  const levels = new Set([...rule.levels.map(({ level }) => level), ...(raised === null ? [] : [raised])]);
  return [...levels].map((level) => {
    const preview = dispatcher.preview(hypothetical(rule, device ?? rule.group ?? '', level), at);
    const told = [...new Set(preview.routes.flatMap(({ named, toldBefore }) => [...named, ...toldBefore]))];
    return { level, contacts: told.map((id) => ({ id, channels: channelsOf(id, dispatcher) })), reason: reasonOf(preview, level) };
  });
}

/** Every step on the way to a message that makes a difference now. */
function reasonOf({ routes, acknowledgedBy, isFlapping }: AlertPreview, level: Level): string {
  const parts = routes.map((route) => routeText(route, level));
  if (isFlapping) parts.push('flapping: that it changes is not told before it is calm');
  if (acknowledgedBy !== null) parts.push(`acknowledged by ${acknowledgedBy}: no reminder, and no escalation`);
  return parts.join('; ');
}

function routeText({ plan, mutes, named, toldBefore, spent }: RoutePreview, level: Level): string {
  const waitMs = plan.groupWaitMs[level];
  const whom = named.length === 0 ? 'tells nobody' : `to ${named.join(', ')}`;
  const parts = [`${plan.name} ${whom}`];
  if (toldBefore.length > 0) parts.push(`also to ${toldBefore.join(', ')}, who had been told before`);
  if (named.length + toldBefore.length === 0) return parts.join('; ');
  if (mutes.length > 0) parts.push(`held back now by ${mutes.join(' and by ')}`);
  else if (waitMs > 0) parts.push(`after ${formatDurationMs(waitMs)}, together with others of its group`);
  if (spent.length > 0) parts.push(`in a digest for ${spent.join(', ')}, who had all messages of this hour`);
  return parts.join('; ');
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
