/**
 * What the API says of a device and its rules: the conditions as they are, who would be told, and of each rule the open alert,
 * or else the last one, with every step from the readings to the messages.
 */
import type { ExplainQuery, NothingToExplain } from '../alerts/explaining.ts';
import type { Alert, Transition } from '../domain/alert.ts';
import type { TimelineEntry } from '../notify/outbox.ts';
import type { ToldExplanation, ToldRule } from '../notify/would-tell.ts';
import type { Generation } from './generations.ts';

export interface AlertStory {
  readonly alert: Alert;
  /** Transitions, decisions and attempts to deliver, oldest first: the latest of them. */
  readonly timeline: readonly (Transition | TimelineEntry)[];
  /** How many came before those. */
  readonly earlier: number;
}

export type StoriedExplanation = Omit<ToldExplanation, 'rules'> & {
  readonly rules: readonly (ToldRule & { readonly story: AlertStory | null })[];
};

const TIMELINE_SHOWN_MAX = 100;

export function explainWithStories({ alerting, notifying }: Generation, query: ExplainQuery): StoriedExplanation | NothingToExplain {
  const explained = notifying.withTellings(alerting.explain(query));
  if ('unknown' in explained) return explained;
  const storyOf = (rule: ToldRule): AlertStory | null => {
    const device = rule.group ?? explained.device?.id ?? query.device;
    const id = rule.alert?.id ?? alerting.alerts({ rule: rule.rule, device, limit: 1 }).items[0]?.id;
    const found = id === undefined ? null : alerting.alert(id);
    if (found === null) return null;
    const { timeline, ...alert } = found;
    const whole = [...timeline, ...notifying.timeline(alert.id)].sort((a, b) => a.at - b.at);
    return { alert, timeline: whole.slice(-TIMELINE_SHOWN_MAX), earlier: Math.max(0, whole.length - TIMELINE_SHOWN_MAX) };
  };
  return { ...explained, rules: explained.rules.map((rule) => ({ ...rule, story: storyOf(rule) })) };
}
