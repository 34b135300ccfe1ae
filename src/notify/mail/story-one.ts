/** Subject and heading of a message about one alert. */
import { type Level, levelRank } from '../../domain/alert.ts';
import { type Item, isFiring } from '../content.ts';
import type { AlertFacts } from './facts.ts';
import { countText, durationText, nameOf, numberText, valueText, withUnit } from './mail-text.ts';
import { muteEndText, type Story, type Telling } from './story.ts';

/** It fires because nothing arrives any more. */
export const isSilent = ({ alert }: Item): boolean => isFiring(alert) && alert.flags.includes('no-data');

export function tellOne(telling: Telling): Story {
  const { content, factsOf } = telling;
  const item = onlyOf(telling);
  const facts = factsOf(item.alert);
  const told = [subjectValue(item, facts), subjectCause(telling)].filter((part) => part !== null).join(', ');
  const about = `${nameOf(item.alert)}${told === '' ? '' : `: ${told}`}`;
  return {
    tag: tagOf(telling),
    // What nobody needs to do anything about does not look like an alarm.
    tone: content.cause.kind === 'test' ? 'info' : isFiring(item.alert) ? item.alert.level : 'resolved',
    subject: content.cause.kind === 'digest' ? `${countText(content.cause.held, 'message')} held back: ${about}` : about,
    heading: `${content.cause.kind === 'test' ? 'A test: ' : ''}${headingOf(telling)}`,
    lead: leadOf(item, facts),
  };
}

function onlyOf({ content }: Telling): Item {
  const [item] = content.items;
  if (item === undefined) throw new Error('a message tells of an alert at least');
  return item;
}

function tagOf(telling: Telling): string {
  const { cause } = telling.content;
  const { alert, news } = onlyOf(telling);
  if (cause.kind === 'test' || cause.kind === 'digest') return cause.kind.toUpperCase();
  if (isFiring(alert)) return alert.level.toUpperCase();
  return news === 'flapping' ? 'FLAPPING' : 'RESOLVED';
}

function subjectValue(item: Item, { unit }: AlertFacts): string | null {
  const { alert, news, fromLevel } = item;
  const value = valueText(alert.value, unit);
  const after = (text: string): string => (value === null ? text : `${text}, ${value}`);
  if (news === 'ended') return `came and went in ${lastedText(item) ?? 'a moment'}`;
  if (news === 'flapping') return after('flapping');
  if (isSilent(item)) return news === 'still' ? 'still no data' : 'no data';
  if (news === 'calm') return after('no longer flapping');
  if (news === 'no-data') return after('data again');
  if (news === 'still') return value === null ? 'still firing' : `still ${value}`;
  if (news === 'level' && fromLevel !== null && levelRank(fromLevel) > levelRank(alert.level)) {
    return [value, `was ${fromLevel}`].filter((part) => part !== null).join(', ');
  }
  return value;
}

function subjectCause(telling: Telling): string | null {
  const { cause } = telling.content;
  if (cause.kind === 'reminder') return firedForText(onlyOf(telling), telling.at);
  if (cause.kind === 'escalation') return `unacknowledged for ${durationText(cause.afterMs)}`;
  return cause.kind === 'mute-end' ? muteEndText(cause) : null;
}

/** How long it fires already, or null when it does not, or nobody knows what time it is. */
export function firedForText({ alert }: Item, at: number | null): string | null {
  const from = alert.firedAt ?? alert.since;
  return at === null || at <= from || !isFiring(alert) ? null : durationText((at - from) / 1000);
}

/** How long it fired, of an alert that is over. */
export function lastedText({ alert }: Item): string | null {
  const from = alert.firedAt ?? alert.since;
  return alert.resolvedAt === null || alert.resolvedAt <= from ? null : durationText((alert.resolvedAt - from) / 1000);
}

/** `is critical`, but hardly `is info` */
const levelText = (level: Level): string => (level === 'info' ? 'firing (info)' : level);

function headingOf(telling: Telling): string {
  const item = onlyOf(telling);
  const { content, replaces, at } = telling;
  const { alert, news, fromLevel } = item;
  const what = nameOf(alert);
  const standing = levelText(alert.level);
  if (content.cause.kind === 'escalation') return `${what} is ${standing}, and nobody has acknowledged it`;
  switch (news) {
    case 'resolved': {
      // It may be the first that the reader hears of it.
      const worst = [alert.level, ...replaces.map(({ level }) => level)].reduce((a, b) => (levelRank(b) > levelRank(a) ? b : a));
      return `${what} was ${levelText(worst)} and is over`;
    }
    case 'ended': {
      const lasted = lastedText(item);
      return `${what} was ${standing}${lasted === null ? '' : ` for ${lasted}`} and is over`;
    }
    case 'no-data':
      return isSilent(item) ? `${what}: no more data, the alert stays open` : `${what}: data again, the alert is still open`;
    case 'level':
      return fromLevel === null ? `${what} is ${standing}` : `${what} went from ${fromLevel} to ${alert.level}`;
    case 'flapping':
      return `${what} is flapping`;
    case 'calm':
      return `${what} has stopped flapping and is ${standing}`;
    case 'still': {
      const lasted = firedForText(item, at);
      return `${what} is still ${standing}${lasted === null ? '' : `, for ${lasted}`}`;
    }
    case 'firing':
      return `${what} is ${standing}`;
  }
}

function leadOf({ news }: Item, { flapping }: AlertFacts): string[] {
  if (news !== 'flapping') return [];
  const often = flapping === null ? 'too often' : `more than ${flapping.changes} times within ${durationText(flapping.inMs)}`;
  return [`It changed its level ${often}. Further changes are kept but not told; once it is calm, you are told how it stands.`];
}

/** `2.3 °C above temperature_max (7 °C)`; of a value within its bounds, the bounds. Null: there is none to speak of. */
export function boundText({ alert }: Item, { bounds, unit }: AlertFacts): string | null {
  const { value } = alert;
  if (typeof value !== 'number' || bounds.length === 0) return null;
  const texts = bounds.map((bound) => {
    const limit = withUnit(numberText(bound.value), unit);
    const beyond = bound.side === 'above' ? value - bound.value : bound.value - value;
    if (beyond <= 0) return `limit ${limit}`;
    const named = bound.name === null ? `the limit of ${limit}` : `${bound.name} (${limit})`;
    return `${withUnit(numberText(beyond), unit)} ${bound.side} ${named}`;
  });
  // Of a lower and an upper bound only one is broken: the other is no news.
  const broken = texts.filter((text) => !text.startsWith('limit '));
  return (broken.length > 0 ? broken : texts).slice(0, 3).join(', ');
}
