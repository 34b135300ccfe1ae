/** What a rule's noData makes of a device's silence: since when, when it ripens, and whether it is put down to a gateway. */
import type { Level } from '../domain/alert.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { silentSince, type Timer } from '../rules/timer.ts';
import { formatDurationMs } from '../std/quantity.ts';
import { isOffline, isWatched } from './dependency.ts';
import type { Instance } from './instance.ts';

/** Times are µs of journal time. */
export interface SilenceExplanation {
  readonly afterMs: number;
  /** `raise warning`, `keep` or `ok` */
  readonly policy: string;
  readonly raises: Level | null;
  /** What is listened for, each with when it was last heard; of none: any reading. */
  readonly metrics: readonly { readonly name: string; readonly heardAt: number | null }[];
  /** Null: it cannot be told, as nothing was ever heard of it. */
  readonly silentSince: number | null;
  /** Which of the metrics are silent for so long. */
  readonly stalest: readonly string[];
  /** The flag is up. */
  readonly isSilent: boolean;
  /** When it ripens; null: it has, or cannot. */
  readonly dueAt: number | null;
  /** No silence ripens before, as the start was so short ago; null: that is over. */
  readonly graceUntil: number | null;
  readonly dependsOn: {
    readonly device: string;
    readonly isOffline: boolean;
    /** What is said of its being online; null: nothing. */
    readonly online: boolean | null;
    readonly lastSeen: number | null;
    readonly graceMs: number;
    /** A rule would tell of its being away; one of which none would excuses nothing. */
    readonly isWatched: boolean;
    /** Since when the silence is put down to it. */
    readonly inhibitedSince: number | null;
  } | null;
  readonly says: string;
}

export function explainSilence(instance: Instance, timers: readonly Timer[], now: number): SilenceExplanation | null {
  const { program, state, cells, device, graceUntil } = instance;
  const { noData } = program;
  if (noData === null) return null;
  const since = silentSince(program, instance);
  const timer = timers.find(({ kind }) => kind === 'no-data');
  const { dependency } = device;
  const policy = noData.raise !== null ? `raise ${noData.raise}` : noData.endsAlert ? 'ok' : 'keep';
  const metrics = program.silence.map((index) => {
    const heardAt = cells[index]?.heardAt ?? Number.NEGATIVE_INFINITY;
    return { name: program.metrics[index] ?? '', heardAt: heardAt === Number.NEGATIVE_INFINITY ? null : heardAt };
  });
  const facts = {
    afterMs: toMs(noData.afterUs),
    policy,
    raises: noData.raise,
    metrics,
    stalest: metrics.filter(({ heardAt }) => (heardAt ?? device.registeredAt) === since).map(({ name }) => name),
    silentSince: since === Number.POSITIVE_INFINITY ? null : since,
    isSilent: state.noData,
    dueAt: timer?.due ?? null,
    graceUntil: graceUntil > now ? graceUntil : null,
    dependsOn:
      dependency === null
        ? null
        : {
            device: dependency.on.id,
            isWatched: isWatched(dependency.on),
            isOffline: isOffline(dependency.on, now),
            online: dependency.on.online,
            lastSeen: dependency.on.lastSign,
            graceMs: toMs(dependency.graceUs),
            inhibitedSince: state.inhibitedSince,
          },
  };
  return { ...facts, says: says(facts, now) };
}

function says(facts: Omit<SilenceExplanation, 'says'>, now: number): string {
  const { silentSince: since, stalest, isSilent, dueAt, graceUntil, dependsOn, afterMs, policy } = facts;
  if (since === null) return 'nothing was ever heard of it, and it is not listed in the fleet: silence counts from its first value';
  const what = stalest.length === 0 ? 'nothing heard' : `no value of ${stalest.join(', ')}`;
  const silence = `${what} for ${duration(now - since)}, since ${instant(since)}`;
  if (isSilent) return `${silence}: no-data (${policy})`;
  if (dependsOn !== null && dependsOn.inhibitedSince !== null) {
    const again = dueAt === null ? '' : `; looked at again at ${instant(dueAt)}`;
    const offline = dependsOn.online === false ? ', which is said to be offline' : '';
    return `${silence}: put down to ${dependsOn.device}${offline}, since ${instant(dependsOn.inhibitedSince)}${again}`;
  }
  const due = dueAt === null ? '' : `, which is at ${instant(dueAt)}`;
  const grace = graceUntil === null ? '' : `; not before ${instant(graceUntil)}, as Tocsin has only just started`;
  const unwatched =
    dependsOn === null || dependsOn.isWatched
      ? ''
      : `; ${dependsOn.device} excuses no silence, as no rule with noData.raise or about its availability is on it`;
  return `${silence}; no-data (${policy}) after ${formatDurationMs(afterMs)}${due}${grace}${unwatched}`;
}

const toMs = (durationUs: number): number => durationUs / MICROSECONDS_PER_MILLISECOND;
const duration = (durationUs: number): string => (durationUs === 0 ? '0s' : formatDurationMs(toMs(durationUs)));
const instant = (at: number): string => new Date(toMs(at)).toISOString();
