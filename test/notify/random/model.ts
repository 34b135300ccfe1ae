/**
 * What is the case, by the words of SEMANTICS.md and none of the dispatcher's code: which alerts fire, who is to hear of them, what
 * holds them back, what each contact was told last, and until when it has to hear what it does not know yet.
 *
 * It decides nothing. It is led along the log of what happened and of what was decided, and says what was wrong in it.
 */
import { type Alert, type Level, levelRank, type Transition } from '../../../src/domain/alert.ts';
import type { AlertMatch, LoggedOperation, Silence } from '../../../src/domain/operation.ts';
import type { Grouping, NotifyConfig } from '../../../src/notify/notify-config.ts';
import { edgesOf, holds, personsOf } from './hours.ts';
import type { Script } from './world.ts';

export interface Known {
  readonly state: 'firing' | 'flapping' | 'resolved';
  readonly level: Level;
  readonly noData: boolean;
}
export interface Way extends Grouping {
  readonly to: readonly string[];
}
export interface Tracked {
  alert: Alert;
  transition: string;
  readonly firedAt: number;
  /** What each contact was told last. */
  readonly told: Map<string, Known>;
  /** When it was last told, by contact. */
  readonly toldAt: Map<string, number>;
  /** Who was ever told of it, or of the one that it goes on from while it flaps. */
  readonly heard: Set<string>;
  /** Until when a contact has to hear of it. */
  readonly owed: Map<string, number>;
  /** Who was no contact at some time after its end: they may not be told of it. */
  readonly excused: Set<string>;
  /** For whose digest it waits, and for which of them because it was escalated to them. */
  readonly held: Set<string>;
  readonly summoned: Set<string>;
  /** Who was no contact at some time while it waited for their digest: it may have come to nothing. */
  readonly lapsed: Set<string>;
  /** Whose it was at any time while it fired. */
  readonly concerned: Set<string>;
  /** Its routes that nothing mutes now. */
  ways: ReadonlySet<Way>;
  acknowledged: { readonly level: Level; readonly until: number | null } | null;
  /** It came and went while it was held back. */
  isMissed: boolean;
  isInStorm: boolean;
  /** Routes on which it was told that it came and went, and those on which it is to be. */
  readonly doneOn: Set<Way>;
  readonly missedOn: Set<Way>;
  /** It was over when the config was another one: on which routes it was then is not asked any more. */
  isAdrift: boolean;
  /** It was held back at any time while it fired or flapped, on one of its routes at least. */
  wasMuted: boolean;
  /** At which it has been. */
  readonly levels: Set<Level>;
  /** Since when nothing hinders its escalation. */
  escalatingSince: number | null;
  readonly escalated: Map<string, number>;
  readonly reminders: Map<string, number[]>;
}
interface Flap {
  changes: number[];
  isOn: boolean;
  alert: string;
}
/** Of one instant: the order in which things are the case. */
interface Mute extends Silence {
  isOver: boolean;
}

const MS = 1000;

export class Model {
  readonly faults: string[] = [];
  readonly alerts = new Map<string, Tracked>();
  /** Those that fire, or of whose end somebody is still to hear. */
  readonly active = new Set<Tracked>();
  config: NotifyConfig;
  now: number;
  configuredAt: number;
  /** Whose acknowledgement has gone, and when. */
  readonly freed: { readonly at: number; readonly tracked: Tracked }[] = [];
  readonly #script: Script;
  readonly #edges: number[];
  readonly #flaps = new Map<string, Flap>();
  readonly #silences = new Map<string, Mute>();
  /** By inhibition, by equal values: sources that fire. */
  #sources: Map<string, Map<string, Alert>>[] = [];

  constructor(script: Script) {
    this.#script = script;
    this.config = script.configs[0] ?? fail('no config');
    this.now = script.startsAt;
    this.configuredAt = this.now;
    this.#edges = edgesOf(script.configs, script.startsAt, script.endsAt);
    this.#placeAll();
  }

  fault(text: string): void {
    if (process.env.STOP) throw new Error(text);
    this.faults.push(`${new Date(this.now / 1000).toISOString()} ${text}`);
  }

  /** Everything that comes with time up to then. @param overdue looks what should have happened before a time */
  advance(until: number, overdue: (before: number) => void): void {
    for (let next = this.#nextChange(); next <= until; next = this.#nextChange()) {
      overdue(next);
      this.now = Math.max(this.now, next);
      this.#timePassed();
    }
    overdue(until);
    this.now = until;
  }

  transition({ kind, alert, id, backlog }: Transition): void {
    if (kind === 'pending' || kind === 'cancelled') return;
    if (backlog !== undefined) {
      for (const each of backlog.alerts) this.#ofBacklog(each, id);
      return;
    }
    const known = this.alerts.get(alert.id);
    if (known === undefined && alert.state !== 'firing') return;
    const tracked = known ?? newTracked(alert, id, this.now);
    const before = tracked.alert;
    const isRisen = known !== undefined && levelRank(alert.level) > levelRank(before.level);
    const mutedOn = this.waysOf(before).filter((way) => !tracked.ways.has(way));
    Object.assign(tracked, { alert, transition: id });
    this.alerts.set(alert.id, tracked);
    this.active.add(tracked);
    if (!isOld(alert) && kind !== 'no-data') this.#flapped(tracked);
    const { acknowledged } = tracked;
    if (acknowledged !== null && isRisen && levelRank(alert.level) > levelRank(acknowledged.level)) tracked.acknowledged = null;
    if (isRisen) {
      tracked.escalatingSince = null;
      tracked.escalated.clear();
    }
    const isOver = alert.state !== 'firing';
    if (isOver) {
      tracked.acknowledged = null;
      if (mutedOn.length > 0) tracked.isMissed = true;
      for (const way of mutedOn) tracked.missedOn.add(way);
    }
    this.#placed(before, alert, known !== undefined);
    this.look(tracked, true);
    if (isOver) this.#endSilences(alert);
  }

  operation(operation: LoggedOperation['operation']): void {
    if (operation.kind === 'silence') {
      this.#silences.set(operation.silence.id, { ...operation.silence, isOver: false });
      this.lookAtAll(false);
    } else if (operation.kind === 'end-silence') {
      const silence = this.#silences.get(operation.silence);
      if (silence !== undefined) silence.isOver = true;
      this.lookAtAll(false);
    } else if (operation.kind !== 'comment' && operation.kind !== 'reload') {
      const tracked = this.alerts.get(operation.alert);
      if (tracked === undefined) return;
      if (tracked.acknowledged !== null) this.freed.push({ at: this.now, tracked });
      tracked.acknowledged = operation.kind === 'acknowledge' ? { level: tracked.alert.level, until: operation.until } : null;
      this.#unhindered(tracked);
    }
  }

  configure(config: NotifyConfig): void {
    if (config === this.config) return;
    this.config = config;
    this.configuredAt = this.now;
    this.#placeAll();
    for (const tracked of this.alerts.values()) {
      tracked.isAdrift ||= tracked.alert.state !== 'firing';
      for (const contact of tracked.held) if (!config.contacts.some(({ id }) => id === contact)) tracked.lapsed.add(contact);
      restartEscalation(tracked);
    }
    this.lookAtAll(true);
  }

  waysOf(alert: Alert): Way[] {
    const ways: Way[] = [];
    for (const route of this.config.routes) {
      if (!fits(route.match, alert)) continue;
      ways.push(route);
      if (!route.continue) break;
    }
    return ways.length > 0 ? ways : [this.config.default];
  }

  persons(ways: Iterable<Way>): Set<string> {
    return personsOf(
      this.config,
      [...ways].flatMap(({ to }) => to),
      this.now,
    );
  }

  /** The latest of its instance: earlier ones have ended, and a recovery is never swallowed. */
  isFlapping(alert: Alert): boolean {
    const flap = this.#flaps.get(instanceOf(alert));
    return flap?.isOn === true && flap.alert === alert.id;
  }

  /** What a contact does not know of the alert, and whether it can wait. Null: it knows. */
  lacks(tracked: Tracked, contact: string): 'at once' | 'later' | 'that it was' | null {
    const { alert, told, isMissed } = tracked;
    const known = told.get(contact);
    const isFiring = alert.state === 'firing';
    if (isOld(alert)) return null;
    if (!isFiring && (tracked.excused.has(contact) || known?.state === 'resolved')) return null;
    if (this.isFlapping(alert)) return known?.state === 'flapping' || (known === undefined && !isFiring) ? null : 'at once';
    if (!isFiring) return known !== undefined ? 'later' : isMissed ? 'that it was' : null;
    if (known?.state !== 'firing' || levelRank(alert.level) > levelRank(known.level)) return 'at once';
    return known.level === alert.level && known.noData === alert.flags.includes('no-data') ? null : 'later';
  }

  /** Who is to hear of the alert, and until when. @param isNews it is not only time that has gone on */
  look(tracked: Tracked, isNews: boolean): void {
    const { alert, owed, told, doneOn } = tracked;
    const isContact = (id: string): boolean => this.config.contacts.some((contact) => contact.id === id);
    const all = this.waysOf(alert);
    const ways = new Set(all.filter((way) => !this.#isMuted(alert, way)));
    const fresh = [...ways].filter((way) => (isNews || !tracked.ways.has(way)) && !doneOn.has(way));
    tracked.ways = ways;
    tracked.levels.add(alert.level);
    if (alert.state === 'firing' || this.isFlapping(alert)) tracked.wasMuted ||= ways.size < all.length;
    if (alert.state === 'firing') for (const contact of this.persons(all)) tracked.concerned.add(contact);
    else for (const contact of told.keys()) if (!isContact(contact)) tracked.excused.add(contact);
    this.#unhindered(tracked);
    if (ways.size === 0 || tracked.isAdrift) {
      owed.clear();
      return;
    }
    const onRoute = this.persons(ways);
    // Whom one of its routes names hears of it there; others who were told hear of it anywhere.
    const named = this.persons(all);
    const hearing = new Set([...onRoute, ...[...told.keys()].filter((contact) => !named.has(contact))].filter(isContact));
    const begun = this.persons(fresh);
    const missed = this.persons(fresh.filter((way) => tracked.missedOn.has(way)));
    const pressing = [...owed].filter(([contact]) => !tracked.held.has(contact) && this.lacks(tracked, contact) === 'at once');
    const latest = Math.max(...pressing.map(([, deadline]) => deadline));
    for (const contact of [...owed.keys()]) if (!hearing.has(contact)) owed.delete(contact);
    for (const contact of hearing) {
      const lack = this.lacks(tracked, contact);
      if (lack === null || (lack === 'that it was' && !missed.has(contact) && (isNews || !owed.has(contact)))) owed.delete(contact);
      else if (fresh.length > 0 && (begun.has(contact) || told.has(contact)))
        owed.set(contact, Math.max(isNews ? (owed.get(contact) ?? 0) : 0, this.#deadline(tracked, lack)));
      // Whoever has taken over the duty meanwhile is told in their place.
      else if (!owed.has(contact) && latest > 0 && lack === 'at once') owed.set(contact, latest);
    }
    this.#endOn(tracked, fresh);
    this.rest(tracked);
  }

  /** Routes on which a mute of what is over has ended, and everybody knows: nobody is owed it there any more. */
  #endOn(tracked: Tracked, ways: readonly Way[]): void {
    const { alert, doneOn } = tracked;
    if (alert.state === 'firing' || isOld(alert) || this.isFlapping(alert)) return;
    for (const way of ways) if ([...this.persons([way])].every((contact) => this.lacks(tracked, contact) === null)) doneOn.add(way);
  }

  /** That it is over was told to the contact, or to the limit: their routes have done with it. */
  endOn(tracked: Tracked, contact: string): void {
    if (tracked.alert.state === 'firing') return;
    for (const way of tracked.ways) if (this.persons([way]).has(contact)) tracked.doneOn.add(way);
  }

  lookAtAll(isNews: boolean): void {
    for (const tracked of [...this.active]) this.look(tracked, isNews);
  }

  /** The contact's digest does not tell of it: what holds it back by now will, and be it that it came and went. */
  leave(tracked: Tracked, contact: string): void {
    tracked.held.delete(contact);
    tracked.summoned.delete(contact);
    if (tracked.alert.state === 'firing' || tracked.told.has(contact)) return;
    for (const way of this.waysOf(tracked.alert)) {
      if (tracked.ways.has(way) || !this.persons([way]).has(contact)) continue;
      tracked.isMissed = true;
      tracked.missedOn.add(way);
    }
  }

  /** Its digest need not tell the contact: something else will, or it came to nothing. What was escalated is told while any of its routes tells. */
  isMutedFor({ alert, ways, summoned, lapsed }: Tracked, contact: string): boolean {
    if (lapsed.has(contact)) return true;
    if (ways.size > 0 && summoned.has(contact)) return false;
    const isNamed = this.persons(this.waysOf(alert)).has(contact);
    return isNamed ? !this.persons(ways).has(contact) : alert.state === 'firing' && ways.size === 0;
  }

  /** It is told as a part of something larger from now on, which has its own pace. */
  inStorm(tracked: Tracked): void {
    tracked.isInStorm = true;
    for (const [contact] of tracked.owed) {
      const lack = this.lacks(tracked, contact);
      if (lack !== null) tracked.owed.set(contact, this.#deadline(tracked, lack));
    }
  }

  /** Nothing more is to be expected of what is over, when everybody knows. */
  rest(tracked: Tracked): void {
    const { alert, owed, held, told, ways, isAdrift } = tracked;
    if (alert.state === 'firing' || isOld(alert) || owed.size > 0 || held.size > 0 || this.isFlapping(alert)) return;
    const knows = [...told.keys()].every((contact) => this.lacks(tracked, contact) === null);
    if (knows && (!tracked.isMissed || isAdrift || ways.size === this.waysOf(alert).length)) this.active.delete(tracked);
  }

  #deadline({ alert, isInStorm }: Tracked, lack: 'at once' | 'later' | 'that it was'): number {
    const ways = this.waysOf(alert);
    const longest = (of: (way: Way) => number): number => Math.max(...ways.map(of)) * MS;
    const wait = longest(({ groupWaitMs }) =>
      alert.state === 'firing' ? groupWaitMs[alert.level] : Math.max(groupWaitMs[alert.level], groupWaitMs.info),
    );
    const interval = longest(({ groupIntervalMs }) => groupIntervalMs);
    if (lack === 'at once') return this.now + wait + (isInStorm ? interval : 0);
    if (lack === 'that it was') return this.now + wait;
    if (alert.state !== 'firing' && ways.some(({ sendResolved }) => !sendResolved)) return Number.POSITIVE_INFINITY;
    return this.now + wait + 2 * interval;
  }

  #ofBacklog(alert: Alert, transition: string): void {
    const tracked = this.alerts.get(alert.id) ?? newTracked(alert, transition, this.now);
    const before = tracked.alert;
    Object.assign(tracked, { alert, transition });
    this.alerts.set(alert.id, tracked);
    this.active.add(tracked);
    if (alert.state !== 'firing') {
      tracked.isMissed = true;
      for (const way of this.waysOf(alert)) tracked.missedOn.add(way);
    }
    this.#placed(before, alert, true);
    this.look(tracked, true);
  }

  #flapped(tracked: Tracked): void {
    const { alert } = tracked;
    const limit = this.#limitOf(alert.rule);
    if (limit === null) return;
    const key = instanceOf(alert);
    const flap = this.#flaps.get(key) ?? { changes: [], isOn: false, alert: alert.id };
    flap.changes = [...flap.changes, this.now].filter((at) => at > this.now - limit.inMs * MS);
    const wasOn = flap.isOn;
    flap.isOn ||= flap.changes.length > limit.changes;
    const before = this.alerts.get(flap.alert);
    flap.alert = alert.id;
    this.#flaps.set(key, flap);
    if (!flap.isOn || before === undefined || before === tracked) return;
    // Of what was over, and of which everybody knew or was no contact any more, there is nothing to go on from.
    const isOwed = [...before.told].some(([contact, { state }]) => state !== 'resolved' && !before.excused.has(contact));
    for (const [contact, known] of wasOn || isOwed || before.held.size > 0 ? before.told : [])
      if (known.state !== 'resolved' && !tracked.told.has(contact)) tracked.told.set(contact, known);
    for (const contact of before.heard) tracked.heard.add(contact);
    for (const contact of before.held) tracked.held.add(contact);
    for (const contact of before.summoned) tracked.summoned.add(contact);
    before.told.clear();
    before.held.clear();
    before.summoned.clear();
    before.owed.clear();
    before.isMissed = false;
    this.active.delete(before);
  }

  #limitOf(rule: string): { changes: number; inMs: number } | null {
    return this.#script.fleet.rules.find(({ id }) => id === rule)?.flapping ?? null;
  }

  /** When few enough of its changes are left within the time. */
  #calmAt(key: string, { changes, isOn }: Flap): number {
    const limit = this.#limitOf(key.slice(0, key.indexOf(' ')));
    if (!isOn || limit === null) return Number.POSITIVE_INFINITY;
    const candidates = changes.map((at) => at + limit.inMs * MS);
    const isCalmAt = (time: number): boolean => changes.filter((at) => at > time - limit.inMs * MS).length * 2 < limit.changes;
    return candidates.find(isCalmAt) ?? Number.POSITIVE_INFINITY;
  }

  #nextChange(): number {
    let next = this.#edges[0] ?? Number.POSITIVE_INFINITY;
    for (const { startsAt, endsAt, isOver } of this.#silences.values()) {
      if (isOver) continue;
      next = Math.min(next, startsAt > this.now ? startsAt : (endsAt ?? Number.POSITIVE_INFINITY));
    }
    for (const [key, flap] of this.#flaps) if (flap.isOn) next = Math.min(next, this.#calmAt(key, flap));
    for (const { acknowledged } of this.active) next = Math.min(next, acknowledged?.until ?? Number.POSITIVE_INFINITY);
    return next;
  }

  #timePassed(): void {
    while ((this.#edges[0] ?? Number.POSITIVE_INFINITY) <= this.now) this.#edges.shift();
    for (const silence of this.#silences.values()) if (silence.endsAt !== null && silence.endsAt <= this.now) silence.isOver = true;
    for (const tracked of this.active) {
      const until = tracked.acknowledged?.until ?? null;
      if (until === null || until > this.now) continue;
      this.freed.push({ at: this.now, tracked });
      tracked.acknowledged = null;
      this.#unhindered(tracked);
    }
    this.lookAtAll(false);
    for (const [key, flap] of this.#flaps) {
      if (!flap.isOn || this.#calmAt(key, flap) > this.now) continue;
      flap.isOn = false;
      const tracked = this.alerts.get(flap.alert);
      if (tracked !== undefined) this.look(tracked, true);
    }
  }

  #unhindered(tracked: Tracked): void {
    const { alert, acknowledged, ways } = tracked;
    const isFree = alert.state === 'firing' && !isOld(alert) && acknowledged === null && ways.size > 0;
    if (!isFree) tracked.escalatingSince = null;
    else tracked.escalatingSince ??= this.now;
    if (acknowledged !== null || alert.state !== 'firing') tracked.escalated.clear();
  }

  #isMuted(alert: Alert, { active, muted }: Way): boolean {
    if (active !== null && !holds(this.config, active, this.now)) return true;
    if (muted !== null && holds(this.config, muted, this.now)) return true;
    for (const { match, startsAt, endsAt, isOver } of this.#silences.values())
      if (!isOver && startsAt <= this.now && (endsAt === null || this.now < endsAt) && fits(match, alert)) return true;
    return this.config.inhibitions.some(({ target, equal }, index) => {
      if (!fits(target, alert)) return false;
      const sources = this.#sources[index]?.get(valuesOf(alert, equal));
      return [...(sources?.values() ?? [])].some((other) => other.id !== alert.id && !this.#inhibits(alert, other));
    });
  }

  #inhibits(alert: Alert, other: Alert): boolean {
    if (alert.state !== 'firing') return false;
    return this.config.inhibitions.some(
      ({ source, target, equal }) => fits(source, alert) && fits(target, other) && valuesOf(alert, equal) === valuesOf(other, equal),
    );
  }

  #placeAll(): void {
    this.#sources = this.config.inhibitions.map(() => new Map());
    for (const { alert } of this.active) this.#place(alert);
  }

  #place(alert: Alert): void {
    for (const [index, { source, equal }] of this.config.inhibitions.entries()) {
      if (alert.state !== 'firing' || !fits(source, alert)) continue;
      const values = valuesOf(alert, equal);
      const sources = this.#sources[index]?.get(values) ?? new Map<string, Alert>();
      sources.set(alert.id, alert);
      this.#sources[index]?.set(values, sources);
    }
  }

  /** Whom the alert inhibits now that it has changed. */
  #placed(before: Alert, alert: Alert, isKnown: boolean): void {
    const isPart = (each: Alert): boolean => this.config.inhibitions.some(({ source, target }) => fits(source, each) || fits(target, each));
    if (isKnown) for (const byValues of this.#sources) for (const sources of byValues.values()) sources.delete(alert.id);
    this.#place(alert);
    if (isPart(before) || isPart(alert)) for (const other of [...this.active]) if (other.alert.id !== alert.id) this.look(other, false);
  }

  /** Those that hold until what they match is resolved, at whatever level it is by then. */
  #endSilences(alert: Alert): void {
    let isAny = false;
    for (const silence of this.#silences.values()) {
      if (silence.isOver || silence.endsAt !== null || silence.startsAt > this.now) continue;
      const match = { ...silence.match, levels: null };
      if (!fits(match, alert)) continue;
      if ([...this.active].some((other) => other.alert.state === 'firing' && fits(match, other.alert))) continue;
      silence.isOver = true;
      isAny = true;
    }
    if (isAny) this.lookAtAll(false);
  }
}

export const isOld = ({ flags }: Alert): boolean => flags.includes('retrospective');
const instanceOf = ({ rule, device }: Alert): string => `${rule} ${device}`;

export function partOf(alert: Alert, name: string): string {
  if (name === 'rule') return alert.rule;
  if (name === 'device') return alert.device;
  return name === 'level' ? alert.level : (alert.labels[name.slice('labels.'.length)] ?? '');
}
const valuesOf = (alert: Alert, equal: readonly string[]): string => JSON.stringify(equal.map((name) => partOf(alert, name)));

export function fits(match: AlertMatch, alert: Alert): boolean {
  const among = (list: readonly string[] | null, text: string): boolean =>
    list === null || list.some((each) => each === text || (each.endsWith('*') && text.startsWith(each.slice(0, -1))));
  return (
    among(match.levels, alert.level) &&
    among(match.rules, alert.rule) &&
    among(match.devices, alert.device) &&
    among(match.alerts, alert.id) &&
    Object.entries(match.labels).every(([name, values]) => values.includes(alert.labels[name] ?? ''))
  );
}

function restartEscalation(tracked: Tracked): void {
  tracked.escalatingSince = null;
  tracked.escalated.clear();
  tracked.reminders.clear();
}

function newTracked(alert: Alert, transition: string, firedAt: number): Tracked {
  return {
    ...{
      alert,
      transition,
      firedAt,
      told: new Map(),
      heard: new Set(),
      owed: new Map(),
      held: new Set(),
      summoned: new Set(),
      lapsed: new Set(),
      concerned: new Set(),
      excused: new Set(),
      toldAt: new Map(),
    },
    ...{
      ways: new Set(),
      acknowledged: null,
      isMissed: false,
      isInStorm: false,
      isAdrift: false,
      wasMuted: false,
      levels: new Set(),
      escalatingSince: null,
    },
    ...{ escalated: new Map(), reminders: new Map(), doneOn: new Set<Way>(), missedOn: new Set<Way>() },
  };
}

function fail(why: string): never {
  throw new Error(why);
}
