/**
 * What a message says where there is little room, on a phone or in a chat: a headline, a text, and of several alerts a line each,
 * the foremost first, with the rest counted. Plain text: each channel escapes it in its own way. Pure.
 */
import type { Level } from '../../domain/alert.ts';
import { foremost, type Item, isFiring } from '../content.ts';
import { clean, oneLine, RULE_LENGTH_MAX, SUBJECT_LENGTH_MAX, whereOf } from '../mail/mail-text.ts';
import type { OutgoingMessage } from './notifier.ts';

export interface ChatText {
  readonly state: Level | 'resolved';
  /** One line. */
  readonly headline: string;
  /** Of one alert all there is to say, of several what they have in common. */
  readonly text: string;
  /** One an alert, where there are several. */
  readonly lines: readonly string[];
  /** Alerts beyond the lines. */
  readonly left: number;
  readonly links: readonly { readonly name: string; readonly url: string }[];
}

const LINES_MAX = 20;
const LINE_LENGTH_MAX = 400;
const SUMMARY_LENGTH_MAX = 240;
const TEXT_LENGTH_MAX = 2500;
const OPENING_LENGTH_MAX = 500;

export function chatText(message: OutgoingMessage): ChatText {
  const { content, subject } = message;
  const top = foremost(content);
  const isOne = content.items.length + content.more === 1;
  const lines = isOne ? [] : content.items.slice(0, LINES_MAX).map(lineOf);
  return {
    state: isFiring(top) ? top.level : 'resolved',
    headline: oneLine(subject, SUBJECT_LENGTH_MAX),
    text: isOne ? clean(withoutLinks(message), TEXT_LENGTH_MAX).trim() : clean(openingOf(message.text), OPENING_LENGTH_MAX).trim(),
    lines,
    left: isOne ? 0 : content.items.length - lines.length + content.more,
    links: linksOf(message),
  };
}

/** What is said of the alerts that have no line. */
export const leftText = ({ lines, left }: ChatText): string =>
  left === 0 ? '' : `${lines.length === 0 ? '' : 'and '}${left} ${lines.length === 0 ? (left === 1 ? 'alert' : 'alerts') : 'more'}`;

/** As much of it as fits: lines go first, from the end, then the text. The headline and the links always stay. */
export function fitted(chat: ChatText, fits: (chat: ChatText) => boolean): ChatText {
  let result = chat;
  while (!fits(result) && (result.lines.length > 0 || result.text !== '')) {
    if (result.lines.length > 0) result = { ...result, lines: result.lines.slice(0, -1), left: result.left + 1 };
    else result = { ...result, text: result.text.length < 100 ? '' : `${result.text.slice(0, result.text.length / 2).toWellFormed()}…` };
  }
  return result;
}

/** `CRITICAL fridge-warm on fridge-01 (was warning): fridge-01 is at 9.3 °C` */
function lineOf({ alert, news, fromLevel }: Item): string {
  const tag = isFiring(alert) ? alert.level.toUpperCase() : 'RESOLVED';
  const remarks = [
    ...(isFiring(alert) && fromLevel !== null ? [`was ${fromLevel}`] : []),
    ...(isFiring(alert) && alert.flags.includes('no-data') ? ['no data'] : []),
    ...(news === 'flapping' ? ['flapping'] : []),
    ...(news === 'ended' ? ['came and went'] : []),
  ];
  const remark = remarks.length === 0 ? '' : ` (${remarks.join(', ')})`;
  const summary = oneLine(alert.summary, SUMMARY_LENGTH_MAX);
  const what = `${tag} ${oneLine(alert.rule, RULE_LENGTH_MAX)} on ${whereOf(alert)}${remark}`;
  return oneLine(summary === '' ? what : `${what}: ${summary}`, LINE_LENGTH_MAX);
}

/** Up to the first empty line: what follows tells of each alert, as the lines here do. */
const openingOf = (text: string): string => text.split(/\n\s*\n/, 1)[0] ?? '';

/** They are there as buttons. */
function withoutLinks({ text, links }: OutgoingMessage): string {
  const urls = links === null ? [] : [links.alert, links.acknowledge, links.silence].filter((url) => url !== null);
  const lines = text.split('\n').filter((line) => !urls.some((url) => line.includes(url)));
  return lines.join('\n').replace(/\n{3,}/g, '\n\n');
}

function linksOf({ links }: OutgoingMessage): ChatText['links'] {
  if (links === null) return [];
  const { alert, acknowledge, silence } = links;
  return [
    { name: 'Open', url: alert },
    ...(acknowledge === null ? [] : [{ name: 'Acknowledge', url: acknowledge }]),
    ...(silence === null ? [] : [{ name: 'Silence', url: silence }]),
  ];
}
