/**
 * Why a device did, or did not, alert: every rule with what its conditions come to and from which readings, what each level waits
 * for, which timers run, and what its silence means; and of a rule that is not for the device, why not. Looking changes nothing.
 *
 * Conditions are shown as they were last evaluated: at the event time of the newest reading that the rule sees. Where they would
 * come to something else by now, as values have become too old, that is said beside it. Times are µs.
 */
import type { Alert, Level } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import { MICROSECONDS_PER_MILLISECOND, type Value } from '../domain/reading.ts';
import { renderPlace } from '../domain/rule.ts';
import type { CompiledRule } from '../rules/compile.ts';
import { verdictOf } from '../rules/evaluate.ts';
import { type MembersOf, withCopiedWindows } from '../rules/explain.ts';
import { createFrame, type Frame } from '../rules/frame.ts';
import { newestOf, nextTimer, type Timer } from '../rules/timer.ts';
import { whyNot } from '../rules/why-not.ts';
import { hintFor } from '../std/form.ts';
import { formatDurationMs } from '../std/quantity.ts';
import type { DeviceState } from './device-state.ts';
import type { Devices } from './devices.ts';
import { explainLevel, type LevelExplanation } from './explain-level.ts';
import { explainSilence, type SilenceExplanation } from './explain-silence.ts';
import type { GroupState } from './group-state.ts';
import { Holding } from './holding.ts';
import type { Instance } from './instance.ts';

export interface ExplainQuery {
  /** A device's id, or the name of a group. */
  readonly device: string;
  readonly rule?: string;
}

/** What was asked about is not there: a sentence, with what may have been meant. */
export interface NothingToExplain {
  readonly unknown: string;
  readonly hint: string | null;
}

export type Explained = Explanation | NothingToExplain;

export interface Explanation {
  /** Journal time at which it was asked. */
  readonly at: number;
  /** Null: it was asked about a group. */
  readonly device: DeviceFactsView | null;
  readonly rules: readonly RuleExplanation[];
  /** Rules that are not for it. */
  readonly others: readonly { readonly rule: string; readonly place: string; readonly why: readonly string[] }[];
}

export interface DeviceFactsView {
  readonly id: string;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly listed: boolean;
  readonly registeredAt: number | null;
  readonly firstSeen: number | null;
  readonly lastSeen: number | null;
  /** What messages say of its being online; null: nothing. */
  readonly online: boolean | null;
  /** Newest event time. */
  readonly lastAt: number | null;
  readonly readings: number;
  readonly limitList: readonly { readonly name: string; readonly value: number; readonly origin: string }[];
  readonly metrics: readonly { readonly name: string; readonly value: Value; readonly at: number; readonly receivedAt: number }[];
  readonly maxGapMs: number;
  /** How far its clock is behind ours. */
  readonly clockSkewMs: number;
  readonly latenessMs: number;
  /** Readings that are held to be put in order, and until when the first of them is. */
  readonly held: { readonly readings: number; readonly until: number } | null;
  /** Null is never. */
  readonly retrospectiveAfterMs: number | null;
  readonly backlog: { readonly from: number; readonly to: number; readonly alerts: number; readonly until: number } | null;
  readonly dependsOn: string | null;
}

export interface RuleExplanation {
  readonly rule: string;
  /** `file:line:column` */
  readonly place: string;
  /** Of a rule on groups: the group. */
  readonly group: string | null;
  readonly members: number | null;
  readonly phase: 'ok' | 'pending' | 'firing';
  readonly level: Level | null;
  readonly noData: boolean;
  /** Event time of the last evaluation; null: none yet. */
  readonly evaluatedAt: number | null;
  readonly levels: readonly LevelExplanation[];
  readonly silence: SilenceExplanation | null;
  /** In the order in which they are due. */
  readonly timers: readonly TimerView[];
  readonly alert: Alert | null;
  /** Labels that an alert would have. */
  readonly labels: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

export interface TimerView {
  readonly kind: Timer['kind'];
  /** Journal time. */
  readonly dueAt: number;
  readonly inMs: number;
  readonly level: Level | null;
  readonly says: string;
}

export interface ExplainContext {
  readonly devices: Devices;
  readonly rules: readonly CompiledRule[];
  readonly directory: DeviceDirectory;
  /** Journal time. */
  readonly now: number;
}

/** What is tried for a likeness: a large fleet must not hold up alerting for a misspelt name. */
const HINT_DEVICES_MAX = 20_000;
const HINT_LENGTH_DIFFERENCE_MAX = 3;

export function explain(query: ExplainQuery, context: ExplainContext): Explained {
  const { devices, rules, directory, now } = context;
  const { rule: id } = query;
  const asked = id === undefined ? rules : rules.filter(({ rule }) => rule.id === id);
  const device = realDevice(devices, query.device);
  const groups = device === undefined ? [...devices.groups].filter(({ name }) => name === query.device) : [];
  if (device === undefined && groups.length === 0) return unknownDevice(query.device, devices);
  if (id !== undefined && asked.length === 0) {
    const known = rules.map(({ rule }) => rule.id);
    return { unknown: `there is no rule ${JSON.stringify(id)}`, hint: hintFor(id, known) };
  }
  const found: RuleExplanation[] = [];
  const others: { rule: string; place: string; why: readonly string[] }[] = [];
  for (const rule of asked) {
    const { id: name, place } = rule.rule;
    const group = device === undefined ? groups.find((of) => of.rule.rule.id === rule.rule.id) : groupOf(device, rule);
    const instance = group?.instance ?? device?.instances.find((of) => of.rule.rule.id === rule.rule.id);
    const why = device === undefined ? [`it is on no group ${query.device}`] : whyNot(rule, device, directory);
    // Asked about a group, what is not on it is not of interest, unless it was asked for by name.
    if (instance === undefined && device === undefined && id === undefined) continue;
    if (instance === undefined) others.push({ rule: name, place: renderPlace(place), why });
    else found.push(explainInstance(instance, group ?? null, { now, why: group === undefined ? why : [] }));
  }
  return { at: now, device: device === undefined ? null : factsOf(device), rules: found, others };
}

/** Not merely named by a rule or by another device. */
function realDevice(devices: Devices, id: string): DeviceState | undefined {
  const device = devices.get(id);
  return device !== undefined && isReal(device) ? device : undefined;
}

const isReal = ({ firstSeen, registeredAt }: DeviceState): boolean => firstSeen !== null || registeredAt !== null;

const groupOf = (device: DeviceState, rule: CompiledRule): GroupState | undefined =>
  device.memberships.find(({ group }) => group.rule.rule.id === rule.rule.id)?.group;

function unknownDevice(id: string, devices: Devices): NothingToExplain {
  const candidates: string[] = [];
  for (const device of devices.all) {
    if (candidates.length >= HINT_DEVICES_MAX) break;
    if (Math.abs(device.id.length - id.length) <= HINT_LENGTH_DIFFERENCE_MAX && isReal(device)) candidates.push(device.id);
  }
  for (const { name } of devices.groups) candidates.push(name);
  const hint = hintFor(id, candidates);
  return { unknown: `no device ${JSON.stringify(id)} has been heard of`, hint: hint.startsWith('did you mean') ? hint : null };
}

function factsOf(device: DeviceState): DeviceFactsView {
  const { id, profile, labels, registeredAt, firstSeen, lastSeen, online, lastAt, readings, limits, limitOrigins, backlog, held } = device;
  const { latenessUs, retrospectiveAfterUs } = device;
  const metrics = [...device.cells.values()].flatMap(({ name, value, at, receivedAt }) =>
    value === undefined ? [] : [{ name, value, at, receivedAt }],
  );
  const isHeld = held.length > 0;
  return {
    id,
    profile,
    labels,
    listed: registeredAt !== null,
    registeredAt,
    firstSeen,
    lastSeen,
    online,
    lastAt: lastAt === Number.NEGATIVE_INFINITY ? null : lastAt,
    readings,
    limitList: Object.entries(limits).map(([name, value]) => ({ name, value, origin: limitOrigins[name] ?? '' })),
    metrics,
    maxGapMs: toMs(device.maxGapUs()),
    clockSkewMs: toMs(device.clock?.offsetUs ?? 0),
    latenessMs: toMs(latenessUs),
    held: isHeld ? { readings: held.length, until: Holding.letGoNextAt(device) } : null,
    retrospectiveAfterMs: retrospectiveAfterUs === Number.POSITIVE_INFINITY ? null : toMs(retrospectiveAfterUs),
    backlog:
      backlog === null
        ? null
        : { from: backlog.from, to: backlog.to, alerts: backlog.alerts.length + backlog.more, until: Holding.backlogEndsAt(device) },
    dependsOn: device.dependency?.on.id ?? null,
  };
}

function explainInstance(
  instance: Instance,
  group: GroupState | null,
  { now, why }: { now: number; why: readonly string[] },
): RuleExplanation {
  const { program, state, device, rule } = instance;
  const verdict = verdictOf(program, state);
  const evaluatedAt = evaluatedAtOf(instance);
  const presentAt = Math.max(now - instance.clockOffsetUs, evaluatedAt ?? Number.NEGATIVE_INFINITY);
  const timers: Timer[] = [];
  nextTimer(program, state, instance, timers);
  const looked = { past: frameOf(instance, evaluatedAt ?? presentAt), present: frameOf(instance, presentAt) };
  const membersOf = group === null ? undefined : membersOfGroup(group);
  const levels = program.levels.map((_, index) => explainLevel({ instance, index, ...looked, timers, membersOf }));
  const notes = why.map((reason) => `it is not for this device any more, and is kept for its open alert: ${reason}`);
  if (evaluatedAt === null) notes.push('it has not been evaluated yet: no reading has come that its conditions ask about');
  return {
    rule: rule.rule.id,
    place: renderPlace(rule.rule.place),
    group: group?.name ?? null,
    members: group?.members.length ?? null,
    phase: verdict.phase,
    level: verdict.level,
    noData: verdict.noData,
    evaluatedAt,
    levels,
    silence: explainSilence(instance, timers, now),
    timers: timers.sort((left, right) => left.due - right.due).map((timer) => timerView(instance, timer, now)),
    alert: instance.open?.alert ?? null,
    labels: instance.open?.alert.labels ?? { ...device.labels, ...rule.rule.labels },
    notes,
  };
}

/** When the conditions were last asked, in the device's own time. */
function evaluatedAtOf(instance: Instance): number | null {
  const { program, device } = instance;
  const newest = newestOf(program, instance)?.at ?? device.lastAt;
  const at = program.inputs.stales.length > 0 ? Math.max(newest, instance.checkedAt) : newest;
  return at === Number.NEGATIVE_INFINITY ? null : at;
}

function frameOf(instance: Instance, now: number): Frame {
  const frame = createFrame();
  instance.present(frame);
  frame.now = now;
  return withCopiedWindows(frame);
}

function membersOfGroup(group: GroupState): MembersOf {
  return (aggregate, now) =>
    group.contributionsOf(aggregate).map(({ device, value, freshUntil }) => {
      if (freshUntil === Number.NEGATIVE_INFINITY) return { device, value: null, why: 'no value has come yet' };
      if (freshUntil < now) return { device, value: null, why: `too old by ${duration(now - freshUntil)}` };
      return Number.isNaN(value) ? { device, value: null, why: 'unknown' } : { device, value };
    });
}

function timerView(instance: Instance, timer: Timer, now: number): TimerView {
  const { kind, due } = timer;
  return {
    kind,
    dueAt: due,
    inMs: toMs(due - now),
    level: timer.kind === 'for' ? timer.level : null,
    says: timerSays(instance, timer),
  };
}

function timerSays({ program, state }: Instance, timer: Timer): string {
  switch (timer.kind) {
    case 'for':
      return `${timer.level} fires, unless a reading says otherwise before`;
    case 'keep':
      return `${state.level ?? 'the level'} has been kept for its keepFiringFor, and ends unless a reading asks for it again`;
    case 'stale':
      return 'stale() turns true, and the conditions are evaluated again, unless a value comes before';
    case 'no-data': {
      const raise = program.noData?.raise ?? null;
      if (raise !== null) return `no-data: raises ${raise}, unless values come before`;
      return program.noData?.endsAlert === true
        ? 'no-data: ends the alert, unless values come before'
        : 'no-data: flags the alert and keeps it';
    }
  }
}

const toMs = (durationUs: number): number => durationUs / MICROSECONDS_PER_MILLISECOND;
const duration = (durationUs: number): string => formatDurationMs(toMs(durationUs));
