/**
 * What a message tells that takes the place of older ones which were not delivered: its own news, and of the alerts that only they
 * told of what they told. So no alert is forgotten because another one went on. Pure.
 */
import { levelRank } from '../domain/alert.ts';
import { type Cause, type Content, ITEMS_MAX, type Item, isFiring } from './content.ts';
import { labelOf } from './matching.ts';

/** @param older in the order in which they were decided on. @returns `newer` itself where it tells of everything already */
export function joined(newer: Content, older: readonly Content[]): Content {
  const items = new Map([...older, newer].flatMap((content) => content.items.map((item): [string, Item] => [item.alert.id, item])));
  const more = Math.max(newer.more, ...older.map((content) => content.more));
  const cause = causeOf(newer, older, items);
  if (items.size === newer.items.length && more === newer.more && cause === newer.cause) return newer;
  const kept = [...items.values()].sort(byWeight);
  return { cause, items: kept.slice(0, ITEMS_MAX), more: more + Math.max(0, kept.length - ITEMS_MAX) };
}

/** Of one that tells of more than the newer one did. */
function causeOf(newer: Content, older: readonly Content[], items: ReadonlyMap<string, Item>): Cause {
  const { cause } = newer;
  const causes = older.map((content) => content.cause);
  switch (cause.kind) {
    case 'backlog': {
      const spans = causes.flatMap((each) => (each.kind === 'backlog' && each.device === cause.device ? [each] : []));
      if (spans.length === 0) return cause;
      return {
        ...cause,
        from: Math.min(cause.from, ...spans.map(({ from }) => from)),
        to: Math.max(cause.to, ...spans.map(({ to }) => to)),
      };
    }
    case 'digest': {
      const digests = causes.flatMap((each) => (each.kind === 'digest' ? [each] : []));
      if (digests.length === 0) return cause;
      const held = digests.reduce((sum, each) => sum + each.held, cause.held);
      return { ...cause, held, since: Math.min(cause.since, ...digests.map(({ since }) => since)) };
    }
    case 'update':
    case 'reminder': {
      if (items.size === newer.items.length) return cause;
      // It is but a newer state of what a summary told of.
      const summary = older.findLast((content) => isSummary(content.cause) && content.items.length === items.size);
      if (cause.kind === 'update' && summary !== undefined) return summary.cause;
      return { ...cause, group: commonOf(cause.group, items) };
    }
    default:
      return cause;
  }
}

const isSummary = ({ kind }: Cause): boolean => kind === 'backlog' || kind === 'mute-end' || kind === 'digest';

/** The values of a group that all of them have. */
function commonOf(group: Readonly<Record<string, string>>, items: ReadonlyMap<string, Item>): Record<string, string> {
  const isCommon = ([name, value]: [string, string]): boolean => [...items.values()].every(({ alert }) => labelOf(alert, name) === value);
  return Object.fromEntries(Object.entries(group).filter(isCommon));
}

function byWeight({ alert: a }: Item, { alert: b }: Item): number {
  return (
    Number(isFiring(b)) - Number(isFiring(a)) || levelRank(b.level) - levelRank(a.level) || (a.firedAt ?? a.since) - (b.firedAt ?? b.since)
  );
}
