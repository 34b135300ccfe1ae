/**
 * How two device directories differ, and what that resets: a metric that means something else starts its windows and the
 * runs on it anew; a limit those windows that measure the time beyond it.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { DeviceDirectory, DeviceGroup, FleetDevice, MetricDefinition, Profile } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import { added, type Change, changed, duration, listed, removed, type Thing } from './change.ts';
import { mentions, type RulesAndDevices } from './diff-rules.ts';

const FROM_THE_NEXT = 'from the next message on';

export function devicesDiff(before: RulesAndDevices, after: RulesAndDevices): Change[] {
  const context: Context = { before: before.directory, after: after.directory, rules: after.rules };
  const changes = [
    ...profilesDiff(context),
    ...paired('group', context.before.groups, context.after.groups, {
      added: (group) => limitsDiff({ kind: 'group', id: group.id }, {}, group.limits, context),
      removed: (group) => limitsDiff({ kind: 'group', id: group.id }, group.limits, {}, context),
      changed: (from, to) => groupDiff(from, to, context),
    }),
    ...paired('device', context.before.fleet, context.after.fleet, {
      added: () => [added(NOTHING, 'missed when it is silent, from now on')],
      removed: () => [removed(NOTHING, removalEffect(context.after.unknown))],
      changed: (from, to) => deviceDiff(from, to, context),
    }),
  ];
  const [orderBefore, order] = orders(context.before.groups, context.after.groups);
  if (orderBefore !== order) {
    const effect = 'where two set one limit, the later one counts';
    changes.push(changed({ kind: 'fleet', id: '' }, { part: 'groups', from: orderBefore, to: order, effect }));
  }
  const [from, to] = [context.before.unknown, context.after.unknown];
  if (from !== to) {
    const effect = `${UNKNOWN_EFFECTS[to]}, ${FROM_THE_NEXT}`;
    changes.push(changed({ kind: 'fleet', id: '' }, { part: 'unknown', from, to, effect }));
  }
  return changes;
}

interface Context {
  readonly before: DeviceDirectory;
  readonly after: DeviceDirectory;
  /** Those that are to be. */
  readonly rules: readonly Rule[];
}

/** The groups that both have, as each orders them. */
function orders(before: readonly DeviceGroup[], after: readonly DeviceGroup[]): [string, string] {
  const common = (groups: readonly DeviceGroup[], others: readonly DeviceGroup[]): string =>
    groups
      .map(({ id }) => id)
      .filter((id) => others.some((other) => other.id === id))
      .join(', ');
  return [common(before, after), common(after, before)];
}

/** Filled in by `paired`. */
const NOTHING: Thing = { kind: 'device', id: '' };
const UNKNOWN_EFFECTS = {
  accept: 'what devices send that are not listed is taken',
  quarantine: 'what devices send that are not listed is quarantined',
  reject: 'what devices send that are not listed is refused',
};
const removalEffect = (unknown: DeviceDirectory['unknown']): string =>
  `its alerts are closed with the reason "removed", and it is no longer missed when it is silent${unknown === 'accept' ? '' : `; ${UNKNOWN_EFFECTS[unknown]}`}`;

/** What came, went and changed, by id. */
function paired<T extends { readonly id: string }>(
  kind: Change['kind'],
  before: readonly T[],
  after: readonly T[],
  tell: { added(item: T): Change[]; removed(item: T): Change[]; changed(from: T, to: T): Change[] },
): Change[] {
  const [old, now] = [before, after].map((items) => new Map(items.map((item) => [item.id, item])));
  const named = (id: string, changes: readonly Change[]): Change[] => changes.map((change) => ({ ...change, kind, id }));
  return [
    ...before.flatMap((item) => (now?.has(item.id) ? [] : named(item.id, tell.removed(item)))),
    ...after.flatMap((item) => {
      const known = old?.get(item.id);
      if (known === undefined) return named(item.id, tell.added(item));
      return isDeepStrictEqual(known, item) ? [] : named(item.id, tell.changed(known, item));
    }),
  ];
}

function profilesDiff(context: Context): Change[] {
  const withId = (profile: Profile) => ({ ...profile, id: profile.name });
  return paired('profile', context.before.profiles.map(withId), context.after.profiles.map(withId), {
    added: () => [added(NOTHING, 'its topics and devices are read by it, from the next message on')],
    removed: () => [removed(NOTHING, 'its devices go on without its units, ranges and limits')],
    changed: (from, to) => profileDiff(from, to, context),
  });
}

/** A script's text is told by its fingerprint: the same file may hold another. */
function codecShown(codec: Profile['codec']): string | null {
  if (codec === null || codec.kind === 'built-in') return codec?.name ?? null;
  return `${codec.path} (${createHash('sha256').update(codec.source).digest('hex').slice(0, 8)})`;
}

/** A part of a profile, how it is shown, and what a change of it comes to. */
const PROFILE_PARTS: readonly [part: string, of: (profile: Profile) => unknown, effect: string][] = [
  ['topic', ({ topics }) => topics, FROM_THE_NEXT],
  ['decode', ({ decode }) => decode, FROM_THE_NEXT],
  ['codec', ({ codec }) => codecShown(codec), FROM_THE_NEXT],
  ['compression', ({ compression }) => compression, FROM_THE_NEXT],
  ['device', ({ device }) => device, FROM_THE_NEXT],
  ['time', ({ time }) => time, FROM_THE_NEXT],
  ['timezone', ({ timezone }) => timezone, FROM_THE_NEXT],
  ['clock', ({ clock }) => clock, 'readings are timed by it, from the next message on'],
  ['maxFuture', ({ maxFutureMs }) => duration(maxFutureMs), FROM_THE_NEXT],
  ['maxPast', ({ maxPastMs }) => duration(maxPastMs), FROM_THE_NEXT],
  ['clockSkew', ({ clockSkew }) => clockSkew, FROM_THE_NEXT],
  ['interval', ({ intervalMs }) => (intervalMs === null ? null : duration(intervalMs)), 'how old a value may be follows it'],
  ['maxGap', ({ maxGapMs }) => (maxGapMs === null ? null : duration(maxGapMs)), 'how old a value may be follows it'],
  ['lateness', ({ latenessMs }) => duration(latenessMs), FROM_THE_NEXT],
  ['retrospectiveAfter', ({ retrospectiveAfterMs }) => duration(retrospectiveAfterMs), 'from the next transition on'],
];

function profileDiff(from: Profile, to: Profile, context: Context): Change[] {
  const profile: Thing = { kind: 'profile', id: to.name };
  const parts = PROFILE_PARTS.flatMap(([part, of, effect]) => {
    const [left, right] = [of(from), of(to)];
    return isDeepStrictEqual(left, right) ? [] : [changed(profile, { part, from: left, to: right, effect })];
  });
  const metrics = paired('profile', asItems(from.metrics), asItems(to.metrics), {
    added: ({ id }) => [added(profile, 'read from the next message on', id)],
    removed: ({ id }) => [removed(profile, 'what the payload holds is taken as it comes; its windows end', id)],
    changed: (left, right) => metricDiff(to, left, right, context),
  }).map((change) => ({ ...change, ...profile }));
  return [...parts, ...metrics, ...limitsDiff(profile, from.limits, to.limits, context)];
}

const asItems = (metrics: readonly MetricDefinition[]) => metrics.map((metric) => ({ ...metric, id: metric.name }));

/** What a metric's values mean, and what is only checked. */
const MEANING = ['path', 'type', 'unit', 'scale', 'offset'] as const;
const CHECKS = ['range', 'absent', 'decimal'] as const;

function metricDiff(profile: Profile, from: MetricDefinition, to: MetricDefinition, { rules }: Context): Change[] {
  const isFor = ({ selector }: Rule): boolean => selector.profile === null || selector.profile === profile.name;
  const on = rules.filter((rule) => isFor(rule) && mentions(rule, to.name)).map(({ id }) => id);
  const reset = `its windows start anew${on.length === 0 ? '' : `, and the runs of ${listed(on)}`}`;
  const compare = (key: (typeof MEANING)[number] | (typeof CHECKS)[number], effect: string, resets: boolean): Change[] => {
    if (isDeepStrictEqual(from[key], to[key])) return [];
    return [changed({ kind: 'profile', id: profile.name }, { part: `${to.name}.${key}`, from: from[key], to: to[key], effect, resets })];
  };
  return [
    ...MEANING.flatMap((key) => compare(key, reset, true)),
    ...CHECKS.flatMap((key) => compare(key, 'for values from now on', false)),
  ];
}

type Limits = Readonly<Record<string, number>>;

function limitsDiff(thing: Thing, from: Limits, to: Limits, context: Context): Change[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((name) => {
    if (from[name] === to[name]) return [];
    const measuring = context.rules.filter((rule) => measuresTime(rule) && mentions(rule, `limits.${name}`)).map(({ id }) => id);
    const windows = measuring.length === 0 ? [] : [`the time beyond it starts anew in ${listed(measuring)}`];
    const effect = [effectiveFor(thing, name, context), ...windows].join('; ');
    return [changed(thing, { part: `limits.${name}`, from: from[name], to: to[name], effect, resets: windows.length > 0 })];
  });
}

const measuresTime = ({ levels }: Rule): boolean =>
  levels.some(({ when, clear }) => /\btime(?:Above|Below)\b/.test(`${when.text} ${clear?.text ?? ''}`));

/** The listed devices whose limit is another now; a profile's and a group's count for others besides. */
function effectiveFor(thing: Thing, name: string, { before, after }: Context): string {
  if (thing.kind === 'device') return 'effective for it';
  const old = new Map(before.fleet.map((device) => [device.id, device]));
  const ids = after.fleet.filter((device) => {
    const known = old.get(device.id);
    return known !== undefined && limitOf(before, known, name) !== limitOf(after, device, name);
  });
  const others = thing.kind === 'profile' ? 'devices of the profile that are not listed' : 'devices of the group that are not listed';
  return ids.length === 0 ? `effective for ${others}` : `effective for ${listed(ids.map(({ id }) => id))}, and ${others}`;
}

/** The device's own, else that of the last group that it is in, else its profile's. */
function limitOf({ profiles, groups }: DeviceDirectory, device: FleetDevice, name: string): number | undefined {
  const group = groups.findLast((candidate) => Object.hasOwn(candidate.limits, name) && isIn(candidate, device));
  return device.limits[name] ?? group?.limits[name] ?? profiles.find((profile) => profile.name === device.profile)?.limits[name];
}

const isIn = (group: DeviceGroup, device: FleetDevice): boolean =>
  (group.profile === null || group.profile === device.profile) &&
  Object.entries(group.labels).every(([label, value]) => device.labels[label] === value);

function groupDiff(from: DeviceGroup, to: DeviceGroup, context: Context): Change[] {
  const group: Thing = { kind: 'group', id: to.id };
  const parts = (['profile', 'labels'] as const).flatMap((part) =>
    isDeepStrictEqual(from[part], to[part])
      ? []
      : [changed(group, { part, from: from[part], to: to[part], effect: 'its limits count for the devices that match now' })],
  );
  return [...parts, ...limitsDiff(group, from.limits, to.limits, context)];
}

const DEVICE_PARTS: readonly [part: 'profile' | 'labels' | 'dependsOn', effect: string][] = [
  ['profile', 'what it sends is read by it, from the next message on'],
  ['labels', 'rules and routes that go by labels follow; alerts that are open keep theirs'],
  ['dependsOn', 'whose silence inhibits its own'],
];

function deviceDiff(from: FleetDevice, to: FleetDevice, context: Context): Change[] {
  const device: Thing = { kind: 'device', id: to.id };
  const parts = DEVICE_PARTS.flatMap(([part, effect]) =>
    isDeepStrictEqual(from[part], to[part]) ? [] : [changed(device, { part, from: from[part], to: to[part], effect })],
  );
  return [...parts, ...limitsDiff(device, from.limits, to.limits, context)];
}
