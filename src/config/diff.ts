/**
 * What a reload would change, and what it would reset: said before it is applied (`check --diff`), logged and answered when
 * it is. Pure.
 */
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import type { Change } from './change.ts';
import { devicesDiff } from './diff-devices.ts';
import { digestOf, type NotifyDigest, notifyDiff } from './diff-notify.ts';
import { rulesDiff } from './diff-rules.ts';

/** A configuration as it may be shown: no address, no secret. */
export interface Described {
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyDigest;
}

export interface Diff {
  readonly changes: readonly Change[];
  /** Changes beyond those listed. */
  readonly more: number;
}

const CHANGES_MAX = 1000;

/** @param salt see `digestOf` */
export function describeConfiguration(
  { rules, directory, notify }: { readonly rules: readonly Rule[]; readonly directory: DeviceDirectory; readonly notify: NotifyConfig },
  salt?: string,
): Described {
  return { rules, directory, notify: digestOf(notify, salt) };
}

/** Where a rule stands in its file is no difference. */
export function diff(before: Described, after: Described): Diff {
  const changes = [...rulesDiff(before, after), ...devicesDiff(before, after), ...notifyDiff(before.notify, after.notify)];
  return { changes: changes.slice(0, CHANGES_MAX), more: Math.max(0, changes.length - CHANGES_MAX) };
}
