/**
 * How the outcome of two rule sets over the same readings differs. Two alerts are the same one seen twice when they are of one
 * rule and device and were firing at the same time; each is paired once, in order of time.
 */
import type { FiredAlert, SetResult } from './backtest.ts';

export interface Difference {
  /** Alerts of one set that the other has none for. */
  readonly onlyFirst: readonly FiredAlert[];
  readonly onlySecond: readonly FiredAlert[];
  /** Pairs that fire, last or rise differently. */
  readonly changed: readonly AlertPair[];
  readonly same: number;
  /** By contact, and by kind, those with a message in either. */
  readonly messages: readonly { readonly contact: string; readonly first: number; readonly second: number }[];
  readonly kinds: readonly { readonly kind: string; readonly first: number; readonly second: number }[];
}

export interface AlertPair {
  readonly first: FiredAlert;
  readonly second: FiredAlert;
}

export function difference(first: SetResult, second: SetResult): Difference {
  const onlyFirst: FiredAlert[] = [];
  const changed: AlertPair[] = [];
  let same = 0;
  const others = byInstance(second.alerts);
  const paired = new Set<FiredAlert>();
  for (const [key, alerts] of byInstance(first.alerts)) {
    const candidates = others.get(key) ?? [];
    let next = 0;
    for (const alert of alerts) {
      while (next < candidates.length && endOf(candidates[next]) < alert.firedAt) next += 1;
      const candidate = candidates[next];
      if (candidate === undefined || candidate.firedAt > endOf(alert)) {
        onlyFirst.push(alert);
        continue;
      }
      next += 1;
      paired.add(candidate);
      if (isSame(alert, candidate)) same += 1;
      else changed.push({ first: alert, second: candidate });
    }
  }
  const onlySecond = second.alerts.filter((alert) => !paired.has(alert));
  onlyFirst.sort(byFiring);
  changed.sort((left, right) => byFiring(left.first, right.first));
  const messages = counted(first.messagesByContact, second.messagesByContact).map(({ key, ...counts }) => ({ contact: key, ...counts }));
  const kinds = counted(first.messagesByKind, second.messagesByKind).map(({ key, ...counts }) => ({ kind: key, ...counts }));
  return { onlyFirst, onlySecond, changed, same, messages, kinds };
}

function byInstance(alerts: readonly FiredAlert[]): ReadonlyMap<string, FiredAlert[]> {
  const groups = new Map<string, FiredAlert[]>();
  for (const alert of alerts) {
    const key = `${alert.rule}\n${alert.device}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [alert]);
    else group.push(alert);
  }
  return groups;
}

const byFiring = (left: FiredAlert, right: FiredAlert): number => left.firedAt - right.firedAt;
const endOf = (alert: FiredAlert | undefined): number => alert?.endedAt ?? Number.POSITIVE_INFINITY;
const isSame = (left: FiredAlert, right: FiredAlert): boolean =>
  left.firedAt === right.firedAt && left.endedAt === right.endedAt && left.level === right.level;

function counted(first: ReadonlyMap<string, number>, second: ReadonlyMap<string, number>) {
  return [...new Set([...first.keys(), ...second.keys()])]
    .sort()
    .map((key) => ({ key, first: first.get(key) ?? 0, second: second.get(key) ?? 0 }));
}
