/** What a message says first, and what it is told from. */
import type { Level } from '../../domain/alert.ts';
import type { Cause, Content } from '../content.ts';
import { durationText, type Earlier, type FactsOf, oneLine, timeText } from './mail-text.ts';

/** How it looks: as bad as the worst that fires. */
export type Tone = Level | 'resolved';

export interface Story {
  /** `CRITICAL`, in front of the subject. */
  readonly tag: string;
  readonly tone: Tone;
  readonly subject: string;
  readonly heading: string;
  /** Sentences. */
  readonly lead: readonly string[];
}

export interface Telling {
  readonly content: Content;
  readonly factsOf: FactsOf;
  readonly replaces: readonly Earlier[];
  /** When the message was decided on, µs; null: how long it has fired is not told. */
  readonly at: number | null;
}

/** A backlog and a storm are about a device or a crowd, even when one alert is all there is. */
export const isAboutOne = ({ cause, items, more }: Content): boolean =>
  cause.kind !== 'backlog' && cause.kind !== 'storm' && items.length + more === 1;

export const agoText = (time: number, at: number | null): string =>
  at === null || at <= time ? timeText(time) : `${timeText(time)}, ${durationText((at - time) / 1000)} ago`;

export type MuteEnd = Extract<Cause, { kind: 'mute-end' }>;

/** `silence over` */
export const muteEndText = ({ mute, name }: MuteEnd): string =>
  mute === 'schedule' ? `schedule ${oneLine(name, 40)} over` : `${mute} over`;
