/** What a message became, for a person: pure. Text that came from the message holds no control characters here. */
import { formatTime } from '../std/time-text.ts';
import type { ExplainedMessage, ExplainedReading } from './decoding.ts';
import { columns, labelsText, printable, valueText } from './print.ts';

const LEARNED_LENGTH_MAX = 200;

export function renderMessage(message: ExplainedMessage): string {
  const { topic, detail, hint, readings, rejected, learned } = message;
  const parts = [`${printable(topic)}\n`, columns(routeOf(message), '  ')];
  if (detail !== null) parts.push(`  ${OUTCOMES[message.outcome]}: ${printable(detail)}\n`);
  if (hint !== null) parts.push(`  hint: ${printable(hint)}\n`);
  for (const reading of readings) parts.push(renderReading(reading));
  for (const { reason, detail: why, remedy } of rejected) {
    parts.push(`  rejected ${reason}: ${printable(why)}\n`);
    if (remedy !== null) parts.push(`    hint: ${printable(remedy)}\n`);
  }
  for (const { about, value } of learned) parts.push(`  learned of ${printable(about)}: ${printable(shortened(value))}\n`);
  return parts.join('');
}

const OUTCOMES: Readonly<Record<ExplainedMessage['outcome'], string>> = {
  readings: 'readings',
  nothing: 'nothing to keep',
  rejected: 'rejected',
  refused: 'turned away',
  'no-sensor': 'ignored',
};

function routeOf({ route }: ExplainedMessage): string[][] {
  if (route === null) return [];
  return [
    ['matched', route.template ?? 'by a discovery message'],
    ['format', route.format],
    ['profile', route.profile ?? 'none'],
    ['device', route.device ?? 'named in the message'],
  ];
}

function renderReading({ device, profile, labels, at, clock, values }: ExplainedReading): string {
  const about = [...(profile === null ? [] : [`profile ${profile}`]), ...(labelsText(labels) === '' ? [] : [labelsText(labels)])];
  const head = `  reading of ${device}${about.length === 0 ? '' : ` (${about.join('; ')})`}`;
  const rows = values.map(({ metric, value, unit }) => [metric, valueText(value, unit), typeof value]);
  return `${printable(head)}\n    at ${formatTime(at)}, ${printable(clock)}\n${columns(rows, '    ')}`;
}

function shortened(value: unknown): string {
  if (value === null) return 'forgotten';
  const text = JSON.stringify(value);
  return text.length <= LEARNED_LENGTH_MAX ? text : `${text.slice(0, LEARNED_LENGTH_MAX)}…`;
}
