/**
 * What a message tells that takes the place of older ones which were not delivered: its own news, and of the alerts that only they
 * told of what they told. So no alert is forgotten because another one went on. Pure.
 */
import { levelRank } from '../domain/alert.ts';
import { type Content, ITEMS_MAX, type Item, isFiring } from './content.ts';

/** @param older in the order in which they were decided on. @returns `newer` itself where it tells of everything already */
export function joined(newer: Content, older: readonly Content[]): Content {
  const items = new Map([...older, newer].flatMap((content) => content.items.map((item): [string, Item] => [item.alert.id, item])));
  const more = Math.max(newer.more, ...older.map((content) => content.more));
  if (items.size === newer.items.length && more === newer.more) return newer;
  const kept = [...items.values()].sort(byWeight);
  // One that was a group's stays of that group; of one alert alone it is no longer.
  return { cause: newer.cause, items: kept.slice(0, ITEMS_MAX), more: more + Math.max(0, kept.length - ITEMS_MAX) };
}

function byWeight({ alert: a }: Item, { alert: b }: Item): number {
  return (
    Number(isFiring(b)) - Number(isFiring(a)) || levelRank(b.level) - levelRank(a.level) || (a.firedAt ?? a.since) - (b.firedAt ?? b.since)
  );
}
