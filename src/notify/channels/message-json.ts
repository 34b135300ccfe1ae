/**
 * A message for programs: what a webhook and MQTT carry. The same message gives the same bytes, however often it is sent.
 * Keys are only ever added while `version` is 1.
 *
 *     version   1
 *     id        of the message: the same when it is sent again
 *     thread    id of the first message to this contact about this incident; null when this is the first
 *     kind      what it tells, in a word: firing, level, no-data, resolved, flapping, calm, still, ended; group for several
 *               alerts; else why it is there, as in cause.kind
 *     contact   id of whom it is for
 *     subject   one line
 *     text      for people, in lines
 *     at        when it was decided on, RFC 3339, as every time here
 *     urgent    true: it cannot wait
 *     alerts    foremost first, 500 at most; each as the HTTP API shows an alert (id, rule, device, group?, level, state, flags,
 *               since, firedAt, resolvedAt, value, summary, labels), and:
 *                 news        what is new about it, in a word
 *                 fromLevel   the level last told of, where it is another one; else null
 *                 transition  id of its latest transition
 *                 reason      one sentence: why that came about
 *     more      alerts beyond those listed
 *     cause     why the message is there, by kind:
 *                 update {group} · reminder {since, group} · escalation {step, steps, afterMs} · backlog {device, from, to} ·
 *                 mute-end {mute, name, by, from, to} · storm {phase, since, explanation, total, firing} ·
 *                 digest {held, since, perHour} · test {by}
 *     links     {alert, acknowledge, silence}: pages for a person; null without a public URL. To follow one changes nothing.
 */
import type { Alert } from '../../domain/alert.ts';
import { formatTime } from '../../std/time-text.ts';
import type { Cause, Item } from '../content.ts';
import type { OutgoingMessage } from './notifier.ts';

const VERSION = 1;

export function messageJson(message: OutgoingMessage): string {
  const { id, thread, kind, contact, subject, text, at, isUrgent, content, links } = message;
  return JSON.stringify({
    version: VERSION,
    id,
    thread,
    kind,
    contact,
    subject,
    text,
    at: formatTime(at),
    urgent: isUrgent,
    alerts: content.items.map(itemJson),
    more: content.more,
    cause: causeJson(content.cause),
    links: links === null ? null : { alert: links.alert, acknowledge: links.acknowledge, silence: links.silence },
  });
}

const itemJson = ({ alert, news, fromLevel, transition, reason }: Item) => ({ ...alertJson(alert), news, fromLevel, transition, reason });

/** Key by key: what an alert may come to hold inside is not told to others by itself. */
const alertJson = (alert: Alert) => ({
  id: alert.id,
  rule: alert.rule,
  device: alert.device,
  ...(alert.group !== undefined && { group: alert.group }),
  level: alert.level,
  state: alert.state,
  flags: alert.flags,
  since: formatTime(alert.since),
  firedAt: timeOrNull(alert.firedAt),
  resolvedAt: timeOrNull(alert.resolvedAt),
  value: alert.value,
  summary: alert.summary,
  labels: alert.labels,
});

function causeJson(cause: Cause): Readonly<Record<string, unknown>> {
  switch (cause.kind) {
    case 'reminder':
    case 'storm':
    case 'digest':
      return { ...cause, since: formatTime(cause.since) };
    case 'backlog':
    case 'mute-end':
      return { ...cause, from: formatTime(cause.from), to: formatTime(cause.to) };
    default:
      return { ...cause };
  }
}

const timeOrNull = (time: number | null): string | null => (time === null ? null : formatTime(time));
