/**
 * What a message says first: its subject, its heading, and why it is there. The subject is one line of which the beginning
 * says it all, as a phone's lock screen shows about 45 characters.
 */
import { countText, durationText, oneLine, SUBJECT_LENGTH_MAX, spanText, timeText } from './mail-text.ts';
import { agoText, isAboutOne, type MuteEnd, type Story, type Telling } from './story.ts';
import { tellMany } from './story-many.ts';
import { tellOne } from './story-one.ts';

export function storyOf(telling: Telling): Story {
  const story = isAboutOne(telling.content) ? tellOne(telling) : tellMany(telling);
  const subject = oneLine(`[${story.tag}] ${story.subject}`, SUBJECT_LENGTH_MAX);
  return { ...story, subject, lead: [...leadOf(telling), ...story.lead] };
}

function leadOf({ content, at }: Telling): string[] {
  const { cause } = content;
  const it = isAboutOne(content) ? 'it' : 'them';
  switch (cause.kind) {
    case 'update':
    case 'storm':
    case 'backlog':
      return [];
    case 'reminder':
      return [`A reminder: the last message about ${it} was sent at ${agoText(cause.since, at)}.`];
    case 'escalation':
      return [
        `Step ${cause.step} of ${cause.steps} of the escalation: nobody has acknowledged ${it} for ${durationText(cause.afterMs)}. Acknowledging ${it} stops the next steps and the reminders.`,
      ];
    case 'mute-end':
      return [`No messages about ${it} went out ${spanText(cause.from, cause.to)}: ${muteReason(cause, isAboutOne(content))}.`];
    case 'digest':
      return [
        `More than ${countText(cause.perHour, 'message')} within an hour would have gone to you, so ${countText(cause.held, 'message')} since ${timeText(cause.since)} ${cause.held === 1 ? 'was' : 'were'} held back. This is what ${cause.held === 1 ? 'it' : 'they'} told of, as it stands now. Critical alerts are never held back.`,
      ];
    case 'test':
      return [
        `This is a test, asked for by ${oneLine(cause.by, 80)} to see whether messages arrive. There is nothing to do: the alert below only shows what one looks like.`,
      ];
  }
}

function muteReason({ mute, name, by }: MuteEnd, isOne: boolean): string {
  const was = isOne ? 'it was' : 'they were';
  const named = oneLine(name, 160);
  if (mute === 'schedule') return `${was} muted by the schedule ${named}`;
  if (mute === 'inhibition') return `${was} inhibited by ${named}`;
  return `${was} silenced${by === null ? '' : ` by ${oneLine(by, 80)}`}${named === '' ? '' : ` (“${named}”)`}`;
}
