/** A heartbeat as a mail: plain text, one thread for all of them, and it says what to do when the next one stays away. */
import { hostname } from 'node:os';
import type { OutgoingMessage } from '../notify/channels/notifier.ts';
import { formatDurationMs } from '../std/quantity.ts';

/** @param at µs; the id is made from it, so that a repeat is recognisable */
export function heartbeatMail({ to, everyMs, at }: { to: string; everyMs: number; at: number }): OutgoingMessage {
  const every = formatDurationMs(everyMs);
  const text = `Tocsin on ${hostname()} is alive: what it receives is evaluated and told.

A mail like this one comes every ${every}. When it stays away, Tocsin is not running, cannot send mail, or does not
evaluate what it receives: then no alarm of any sensor reaches you either. See /readyz and the log of the program.
`;
  return {
    id: `heartbeat-${at}`,
    thread: null,
    contact: 'heartbeat',
    channel: { kind: 'email', address: to },
    kind: 'test',
    subject: `Tocsin on ${hostname()} is alive`,
    text,
    html: '',
    chart: null,
    at,
    isUrgent: false,
    content: { cause: { kind: 'test', by: 'heartbeat' }, items: [], more: 0 },
    links: null,
    labels: { Heartbeat: 'alive' },
  };
}
