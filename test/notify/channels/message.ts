/** Messages as the channels get them. */
import { randomBytes } from 'node:crypto';
import type { Alert } from '../../../src/domain/alert.ts';
import type { Channel } from '../../../src/domain/notification.ts';
import type { OutgoingMessage } from '../../../src/notify/channels/notifier.ts';
import type { Item } from '../../../src/notify/content.ts';

export const AT = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;

export const sampleAlert: Alert = {
  id: 'a',
  rule: 'fridge-warm',
  device: 'fridge-01',
  level: 'critical',
  state: 'firing',
  flags: [],
  since: AT - 3_600_000_000,
  firedAt: AT - 1_000_001,
  resolvedAt: null,
  value: 9.3,
  summary: 'fridge-01 is at 9.3 °C',
  labels: { site: 'berlin' },
};

export const sampleItem: Item = {
  alert: sampleAlert,
  news: 'level',
  fromLevel: 'warning',
  transition: 'a/2',
  reason: 'temperature > 8 for 60m',
};

/** One alert that became critical, to the pharmacy, by e-mail. */
export const sampleMessage: OutgoingMessage = {
  id: '0123456789abcdef0123456789abcdef',
  thread: 'fedcba9876543210fedcba9876543210',
  contact: 'pharmacy',
  channel: { kind: 'email', address: 'pharmacy@example.org' },
  kind: 'level',
  subject: '[CRITICAL] fridge-warm on fridge-01: 9.3 °C',
  text: 'fridge-warm on fridge-01 went from warning to critical\nValue: 9.3 °C\n.\nFrom here on\n\nRunbook: https://wiki.example.org/fridges\nAlert: https://tocsin.example.org/?alert=a\n',
  html: '<p>9.3 °C</p>',
  chart: null,
  at: AT,
  isUrgent: true,
  content: { cause: { kind: 'update', group: { rule: 'fridge-warm', device: 'fridge-01' } }, items: [sampleItem], more: 0 },
  links: {
    alert: 'https://tocsin.example.org/?alert=a',
    acknowledge: 'https://tocsin.example.org/do/acknowledge?alert=a&token=t1',
    silence: 'https://tocsin.example.org/do/silence?alert=a&token=t2',
  },
  labels: { Alert: 'a', Transition: 'a/1' },
};

export const messageTo = (channel: Channel, changes: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  ...sampleMessage,
  channel,
  ...changes,
});

/** A message about so many alerts, named by users as badly as they can be. */
export function crowd(
  channel: Channel,
  { count, more = 0, name }: { count: number; more?: number; name: (index: number) => string },
): OutgoingMessage {
  const items = Array.from({ length: count }, (_, index): Item => {
    const alert: Alert = { ...sampleAlert, id: `a${index}`, device: name(index), summary: `${name(index)} is at 9 °C`.repeat(20) };
    return { alert, news: 'firing', fromLevel: null, transition: `a${index}/1`, reason: `reason ${index} `.repeat(20) };
  });
  const all = count + more;
  return messageTo(channel, {
    kind: 'storm',
    subject: `[CRITICAL] ${all} alerts at ${name(0)}`,
    text: `${all} alerts, most of them at one gateway\nsince 03:04\n\n${items.map(({ alert }) => `- ${alert.summary}`).join('\n')}\n`,
    content: { cause: { kind: 'storm', phase: 'begun', since: AT, explanation: null, total: all, firing: all }, items, more },
    links: { alert: 'https://tocsin.example.org/?group=g', acknowledge: null, silence: null },
  });
}

/** What nobody can guess, and no outcome may hold. */
export const newSecret = (): string => randomBytes(12).toString('hex');
