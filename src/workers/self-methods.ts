/** What the decisions thread does for Tocsin's watching of itself: says how far it is, and sends heartbeats by mail. */
import type { Channel } from '../domain/notification.ts';
import type { Notifier } from '../notify/channels/notifier.ts';
import { heartbeatMail } from '../self/heartbeat-mail.ts';
import type { ChannelReport } from '../self/observing.ts';
import type { Progress } from '../self/watching.ts';
import type { Clock } from '../std/clock.ts';
import type { Generation } from './generations.ts';

export interface SelfMethods {
  /** How far alerting's transitions go, and how far notifying has followed them. */
  progress(): Progress;
  /** Channels that fail, and contacts who were not reached over any of theirs. */
  channelHealth(): ChannelReport;
  /** A mail that Tocsin lives; null when it was taken, else why not. */
  sendHeartbeat(to: string, everyMs: number): Promise<string | null>;
}

const HEARTBEAT_WAIT_MS = 60_000;

export function selfMethods(parts: {
  readonly current: () => Generation;
  readonly notifiers: ReadonlyMap<Channel['kind'], Notifier>;
  readonly clock: Clock;
}): { [Method in keyof SelfMethods]: SelfMethods[Method] } {
  const { current, notifiers, clock } = parts;
  return {
    progress() {
      const { alerting, notifying } = current();
      return { transitions: alerting.transitions.latest(), followedTo: notifying.followedTo() };
    },
    channelHealth: () => current().notifying.channelHealth(),
    async sendHeartbeat(to, everyMs) {
      const late = new AbortController();
      const cancel = clock.after(HEARTBEAT_WAIT_MS, () => late.abort());
      try {
        const outcome = await notifiers.get('email')?.send(heartbeatMail({ to, everyMs, at: clock.now() }), late.signal);
        if (outcome === undefined) return 'nothing here sends mail';
        return outcome.outcome === 'delivered' ? null : outcome.detail;
      } finally {
        cancel();
      }
    },
  };
}
