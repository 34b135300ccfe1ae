/** A message as a channel is handed it. */
import type { Alert } from '../../../src/domain/alert.ts';
import type { OutgoingMessage } from '../../../src/notify/channels/notifier.ts';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;

const alert: Alert = {
  id: 'a',
  rule: 'fridge-warm',
  device: 'fridge-01',
  level: 'critical',
  state: 'firing',
  flags: [],
  since: AT - 3_600_000_000,
  firedAt: AT,
  resolvedAt: null,
  value: 9.3,
  summary: 'Fridge 1 is at 9.3 °C',
  labels: { team: 'pharmacy' },
};

export function message(overrides: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    id: '0123456789abcdef0123456789abcdef',
    thread: 'fedcba9876543210fedcba9876543210',
    contact: 'pharmacy',
    channel: { kind: 'email', address: 'pharmacy@example.org' },
    kind: 'firing',
    subject: '[CRITICAL] fridge-warm on fridge-01: 9.3 °C',
    text: 'Value: 9.3 °C\n.\nFrom here on\n',
    html: '<p>9.3 °C</p>',
    chart: null,
    at: AT,
    isUrgent: true,
    content: {
      cause: { kind: 'update', group: { rule: 'fridge-warm', device: 'fridge-01' } },
      items: [{ alert, news: 'firing', fromLevel: null, transition: 'a/1', reason: 'temperature > 8 held for 10m' }],
      more: 0,
    },
    links: null,
    labels: { Alert: 'a', Transition: 'a/1' },
    ...overrides,
  };
}
