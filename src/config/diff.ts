/**
 * What a reload would change, and what it would reset: said before it is applied (`check --diff`), logged and answered when
 * it is. Pure.
 */
import type { Credential } from '../access/credentials.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import type { Change } from './change.ts';
import { type AccessDigest, accessDiff, accessDigestOf } from './diff-access.ts';
import { devicesDiff } from './diff-devices.ts';
import { digestOf, type NotifyDigest, notifyDiff } from './diff-notify.ts';
import { rulesDiff } from './diff-rules.ts';

/** A configuration as it may be shown: no address, no secret. */
export interface Described {
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyDigest;
  readonly access: AccessDigest;
}

interface Configuration {
  readonly config: { readonly mqtt: { readonly anonymous: boolean } };
  readonly credentials: readonly Credential[];
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyConfig;
}

export interface Diff {
  readonly changes: readonly Change[];
  /** Changes beyond those listed. */
  readonly more: number;
}

const CHANGES_MAX = 1000;

/** @param salt see `digestOf` */
export function describeConfiguration({ config, credentials, rules, directory, notify }: Configuration, salt?: string): Described {
  const digest = digestOf(notify, salt);
  return { rules, directory, notify: digest, access: accessDigestOf(config.mqtt.anonymous, credentials, digest.salt) };
}

/** Where a rule stands in its file is no difference. */
export function diff(before: Described, after: Described): Diff {
  const changes = [
    ...rulesDiff(before, after),
    ...devicesDiff(before, after),
    ...notifyDiff(before.notify, after.notify),
    ...accessDiff(before.access, after.access),
  ];
  return { changes: changes.slice(0, CHANGES_MAX), more: Math.max(0, changes.length - CHANGES_MAX) };
}
