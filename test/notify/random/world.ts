/**
 * What happens in a random world, all of it drawn from a seed before anything runs: the lives of alerts, what people do, faults of
 * channels, kills and reloads, each with its journal time. At its end everything is resolved, every channel works, and eight quiet
 * days pass, so that every schedule has had its turn.
 *
 * Events stand for themselves: a script without some of them is a script, too. So a failing one can be made small.
 */
import {
  type Alert,
  type AlertFlag,
  LEVELS,
  type Level,
  levelRank,
  type Transition,
  type TransitionKind,
} from '../../../src/domain/alert.ts';
import type { Operation } from '../../../src/domain/operation.ts';
import type { NotifyConfig } from '../../../src/notify/notify-config.ts';
import { type Device, type Fleet, randomConfig, randomFleet, randomMatch } from './configs.ts';
import { Dice } from './dice.ts';

/** How a channel behaves from then on. */
export type ChannelMode =
  | 'works'
  /** Refuses for now. */
  | 'busy'
  | 'refuses'
  /** For a fault in our own settings. */
  | 'locked-out'
  /** Takes the message, and its answer is lost. */
  | 'mute'
  | 'slow'
  /** Takes the message, and we are killed before its answer. */
  | 'deadly';

/** `now`: between two turns; else in the next transaction, before or just after its commit. */
export type KillMoment = 'now' | 'before-commit' | 'after-commit';

export type Event = { readonly at: number; readonly unit: string } & (
  | { readonly kind: 'transition'; readonly transition: Omit<Transition, 'sequence'> }
  | { readonly kind: 'operation'; readonly operation: Operation }
  | { readonly kind: 'time' }
  /** The clock goes on and alerting does not, or catches up with it. */
  | { readonly kind: 'lag'; readonly byUs: number }
  | { readonly kind: 'catch-up' }
  | { readonly kind: 'channel'; readonly address: string; readonly mode: ChannelMode }
  | { readonly kind: 'kill'; readonly moment: KillMoment }
  | { readonly kind: 'start' }
  | { readonly kind: 'reload'; readonly config: number }
);

type Timeless<E> = E extends Event ? Omit<E, 'at' | 'unit'> : never;
type Happening = Timeless<Event>;

export interface Script {
  readonly seed: number;
  readonly fleet: Fleet;
  readonly configs: readonly NotifyConfig[];
  readonly startsAt: number;
  readonly events: readonly Event[];
  readonly endsAt: number;
}

/** A Monday, so that a rotation begins. */
export const STARTS_AT = Date.UTC(2026, 0, 5, 9) * 1000;
const SECOND_US = 1_000_000;
const MINUTE_US = 60 * SECOND_US;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;
const QUIET_DAYS = 8;

type Instance = { readonly rule: number; readonly device: Device; alert: Alert | null; lives: number; transitions: number };

export function randomScript(seed: number, count: number): Script {
  const dice = new Dice(seed);
  const fleet = randomFleet(dice);
  const configs = Array.from({ length: dice.int(1, 4) }, () => randomConfig(dice, fleet));
  const writer = new ScriptWriter(dice, fleet, configs);
  while (writer.events.length < count) writer.something();
  const endsAt = writer.end();
  return { seed, fleet, configs, startsAt: STARTS_AT, events: writer.events, endsAt };
}

class ScriptWriter {
  readonly events: Event[] = [];
  readonly #dice: Dice;
  readonly #fleet: Fleet;
  readonly #configs: readonly NotifyConfig[];
  readonly #instances: readonly Instance[];
  readonly #silences: string[] = [];
  /** The latest ones. */
  #alerts: string[] = [];
  #at = STARTS_AT;
  #isUp = true;
  #units = 0;

  constructor(dice: Dice, fleet: Fleet, configs: readonly NotifyConfig[]) {
    this.#dice = dice;
    this.#fleet = fleet;
    this.#configs = configs;
    this.#instances = fleet.devices.flatMap((device) =>
      fleet.rules.map((_, rule): Instance => ({ rule, device, alert: null, lives: 0, transitions: 0 })),
    );
  }

  something(): void {
    const dice = this.#dice;
    const what = dice.weighted({
      change: 60,
      burst: 2,
      storm: 0.6,
      backlog: 1.2,
      operation: 9,
      time: 12,
      channel: 5,
      kill: 3,
      reload: 1,
      lag: 0.7,
    });
    if (what === 'change') this.#change(this.#any(), dice.int(1, 20) * SECOND_US);
    else if (what === 'burst') this.#burst();
    else if (what === 'storm') this.#storm();
    else if (what === 'backlog') this.#backlog();
    else if (what === 'operation') this.#operation();
    else if (what === 'time') this.#add({ kind: 'time' }, this.#aWhile());
    else if (what === 'channel') this.#channel();
    else if (what === 'lag') this.#lag();
    else if (!this.#isUp) this.#start();
    else if (what === 'kill') this.#kill();
    else this.#add({ kind: 'reload', config: dice.int(0, this.#configs.length - 1) }, SECOND_US);
  }

  /** @returns when it is over */
  end(): number {
    if (!this.#isUp) this.#start();
    this.#add({ kind: 'catch-up' }, SECOND_US);
    for (const address of this.#addresses()) this.#add({ kind: 'channel', address, mode: 'works' }, SECOND_US);
    this.#add({ kind: 'time' }, DAY_US + HOUR_US);
    for (const instance of this.#instances) {
      if (instance.alert === null) continue;
      this.#move(instance, instance.alert.state === 'pending' ? 'cancelled' : 'resolved', this.#dice.int(1, 5) * SECOND_US);
    }
    return this.#at + QUIET_DAYS * DAY_US;
  }

  #add(event: Happening, afterUs: number, unit = `e${this.#units++}`): void {
    this.#at += Math.max(1, Math.round(afterUs));
    this.events.push({ ...event, at: this.#at, unit });
  }

  #aWhile(): number {
    const dice = this.#dice;
    const unit = dice.weighted({ seconds: 5, minutes: 10, hours: 1.5, day: 0.1 });
    if (unit === 'seconds') return dice.int(1, 90) * SECOND_US;
    if (unit === 'minutes') return dice.int(1, 45) * MINUTE_US;
    return unit === 'hours' ? dice.int(1, 7) * HOUR_US : DAY_US;
  }

  /** Rather one that fires where many do. */
  #any(): Instance {
    const firing = this.#instances.filter(({ alert }) => alert !== null);
    return this.#dice.chance(Math.min(0.85, 0.3 + firing.length / 40)) && firing.length > 0
      ? this.#dice.pick(firing)
      : this.#dice.pick(this.#instances);
  }

  #change(instance: Instance, afterUs: number, isOld = false): void {
    const dice = this.#dice;
    const { alert } = instance;
    if (alert === null) this.#move(instance, dice.chance(0.15) ? 'pending' : 'firing', afterUs, isOld);
    else if (alert.state === 'pending') this.#move(instance, dice.chance(0.7) ? 'firing' : 'cancelled', afterUs, isOld);
    else this.#move(instance, dice.weighted({ level: 4, 'no-data': 1, resolved: 5 }), afterUs, isOld);
  }

  #move(instance: Instance, kind: TransitionKind, afterUs: number, isOld = false): void {
    const dice = this.#dice;
    const rule = this.#fleet.rules[instance.rule];
    if (rule === undefined) throw new Error('an instance is of a rule');
    const before = instance.alert;
    const isNew = before === null;
    const at = this.#at + Math.max(1, Math.round(afterUs));
    const since = at - (isOld ? 2 * HOUR_US : 0);
    if (isNew) {
      instance.lives += 1;
      instance.transitions = 0;
    }
    instance.transitions += 1;
    const id = before?.id ?? `${rule.id}/${instance.device.id}/${instance.lives}`;
    const others = LEVELS.filter((level) => level !== before?.level);
    const level: Level = kind === 'level' ? dice.pick(others) : (before?.level ?? dice.pick(LEVELS));
    const hadNoData = before?.flags.includes('no-data') === true;
    const flags: AlertFlag[] = [
      ...((kind === 'no-data') !== hadNoData ? ['no-data' as const] : []),
      ...(isOld ? ['retrospective' as const] : []),
    ];
    const isOver = kind === 'resolved' || kind === 'cancelled';
    const alert: Alert = {
      id,
      rule: rule.id,
      device: instance.device.id,
      level,
      state: isOver ? 'resolved' : kind === 'pending' ? 'pending' : 'firing',
      flags,
      since,
      firedAt: before?.firedAt ?? (kind === 'firing' ? since : null),
      resolvedAt: isOver ? since : null,
      value: instance.transitions,
      summary: `${rule.id} on ${instance.device.id}`,
      labels: { ...instance.device.labels, ...rule.labels },
    };
    instance.alert = isOver ? null : alert;
    if (isNew) this.#alerts = [...this.#alerts.slice(-30), id];
    const fromLevel = before === null || before.state === 'pending' ? null : before.level;
    const transition = { id: `${id}/${instance.transitions}`, kind, fromLevel, alert, at: since, receivedAt: isOld ? null : at };
    this.#add({ kind: 'transition', transition: { ...transition, journaledAt: at, reason: `${kind} for a reason` } }, afterUs, id);
    if (kind === 'level' && levelRank(fromLevel) === levelRank(level)) throw new Error('a level that is none');
  }

  /** Of one instance many changes in a short time. */
  #burst(): void {
    const dice = this.#dice;
    const instance = dice.pick(this.#instances);
    const gapUs = dice.pick([0.2, 2, 20, 100]) * SECOND_US;
    for (let left = dice.int(4, 25); left > 0; left--) {
      this.#change(instance, gapUs * (0.5 + dice.next()));
      if (dice.chance(0.05)) this.#change(this.#any(), SECOND_US);
    }
  }

  /** A cause strikes many devices at once, and most recover together. */
  #storm(): void {
    const dice = this.#dice;
    const gateway = dice.pick(this.#fleet.devices).labels.gateway;
    const isAll = dice.chance(0.5);
    const struck = this.#instances.filter(({ device }) => isAll || device.labels.gateway === gateway);
    const gapUs = (dice.pick([0.1, 5, 60]) * SECOND_US) / Math.max(1, struck.length);
    for (const instance of struck) if (instance.alert === null && dice.chance(0.95)) this.#move(instance, 'firing', gapUs);
    if (dice.chance(0.4)) this.#operation();
    if (dice.chance(0.5)) this.#add({ kind: 'time' }, this.#aWhile());
    if (dice.chance(0.2) && this.#isUp) this.#kill();
    for (const instance of struck) if (instance.alert?.state === 'firing' && dice.chance(0.9)) this.#move(instance, 'resolved', gapUs);
  }

  /** What a device sends late, as alerting tells of it: each transition old, and at the end a summary of all. */
  #backlog(): void {
    const dice = this.#dice;
    const { device } = dice.pick(this.#instances);
    const own = this.#instances.filter((instance) => instance.device === device);
    const latest = new Map<string, Alert>();
    const beganAt = this.#at;
    for (let left = dice.int(1, 10); left > 0; left--) {
      const instance = dice.pick(own);
      const id = instance.alert?.id ?? `${this.#fleet.rules[instance.rule]?.id}/${device.id}/${instance.lives + 1}`;
      this.#change(instance, dice.int(1, 200_000), true);
      const last = this.events.at(-1);
      if (last?.kind !== 'transition' || ['pending', 'cancelled'].includes(last.transition.kind)) continue;
      latest.set(id, { ...last.transition.alert, flags: last.transition.alert.flags.filter((flag) => flag !== 'retrospective') });
      if (dice.chance(0.1)) this.#elsewhere(device);
    }
    for (const instance of own) {
      // What is pending, or fires, goes on as any other does.
      if (instance.alert !== null)
        instance.alert = { ...instance.alert, flags: instance.alert.flags.filter((flag) => flag !== 'retrospective') };
    }
    const alerts = [...latest.values()].sort(
      (a, b) => Number(b.state === 'firing') - Number(a.state === 'firing') || levelRank(b.level) - levelRank(a.level),
    );
    const [first] = alerts;
    if (first === undefined) return;
    const of = own.find(({ alert }) => alert?.id === first.id);
    if (of !== undefined) of.transitions += 1;
    const at = this.#at + 1000;
    const backlog = { device: device.id, from: beganAt - 2 * HOUR_US, to: at - 2 * HOUR_US, alerts, more: dice.chance(0.1) ? 3 : 0 };
    const id = `${first.id}/${of === undefined ? 'b' : of.transitions}`;
    const transition = {
      id,
      kind: 'backlog' as const,
      fromLevel: null,
      alert: first,
      at,
      receivedAt: null,
      journaledAt: at,
      reason: 'its end',
      backlog,
    };
    this.#add({ kind: 'transition', transition }, 1000, first.id);
  }

  #elsewhere(device: Device): void {
    const instance = this.#any();
    if (instance.device !== device) this.#change(instance, 1000);
  }

  #operation(): void {
    if (!this.#isUp) return;
    const dice = this.#dice;
    const by = dice.pick(['ann', 'bob']);
    const fires = this.#instances.flatMap(({ alert }) => (alert?.state === 'firing' ? [alert.id] : []));
    const alert = fires.length > 0 && dice.chance(0.9) ? dice.pick(fires) : dice.pick([...this.#alerts, 'none']);
    const what = dice.weighted({ acknowledge: 6, unacknowledge: 1, comment: 1, silence: 5, 'end-silence': 2 });
    const soon = (): number => this.#at + dice.pick([1, 5, 30, 120, 600]) * MINUTE_US;
    const operation = ((): Operation => {
      if (what === 'acknowledge') return { kind: what, alert, by, comment: null, until: dice.chance(0.5) ? null : soon() };
      if (what === 'unacknowledge') return { kind: what, alert, by };
      if (what === 'comment') return { kind: what, alert, by, comment: 'I am on my way' };
      if (what === 'end-silence') return { kind: what, silence: dice.pick([...this.#silences, 'none']), by };
      return this.#silence(alert, { by, soon });
    })();
    this.#add({ kind: 'operation', operation }, dice.int(1, 10) * SECOND_US);
  }

  #silence(alert: string, { by, soon }: { by: string; soon: () => number }): Operation {
    const dice = this.#dice;
    const isKnown = this.#silences.length > 0 && dice.chance(0.15);
    const id = isKnown ? dice.pick(this.#silences) : `silence-${this.#silences.length}`;
    if (!isKnown) this.#silences.push(id);
    const match = dice.chance(0.4)
      ? { levels: null, rules: null, devices: null, alerts: [alert], labels: {} }
      : randomMatch(dice, this.#fleet);
    const isLater = dice.chance(0.15);
    // By far later than alerting ever lags behind: else it would depend on the lag whether it begins at once.
    const startsAt = this.#at + (isLater ? dice.int(60, 300) * MINUTE_US : 0);
    const endsAt = isLater ? startsAt + dice.int(1, 200) * MINUTE_US : dice.chance(0.3) ? null : soon();
    return { kind: 'silence', silence: { id, match, by, comment: `because of ${id}`, startsAt, endsAt } };
  }

  #channel(): void {
    const dice = this.#dice;
    const weights = { works: 6, busy: 2, refuses: 0.5, 'locked-out': 0.5, mute: 1, slow: 2, deadly: 0.5 };
    this.#add({ kind: 'channel', address: dice.pick(this.#addresses()), mode: dice.weighted(weights) }, SECOND_US);
  }

  #addresses(): string[] {
    const channels = this.#configs.flatMap(({ contacts }) => contacts.flatMap((contact) => contact.channels));
    return [...new Set(channels.map(({ address }) => address))];
  }

  #kill(): void {
    const moment = this.#dice.pick<KillMoment>(['now', 'now', 'before-commit', 'after-commit']);
    this.#add({ kind: 'kill', moment }, this.#dice.pick([1, 1000, SECOND_US]));
    if (moment !== 'now') return;
    this.#isUp = false;
    if (this.#dice.chance(0.6)) this.#start();
  }

  #start(): void {
    this.#isUp = true;
    this.#add({ kind: 'start' }, this.#dice.pick([1, SECOND_US, 20 * SECOND_US]));
  }

  #lag(): void {
    this.#add({ kind: 'lag', byUs: this.#dice.int(1, 300) * SECOND_US }, SECOND_US);
    for (let left = this.#dice.int(1, 10); left > 0; left--) this.#change(this.#any(), SECOND_US);
    this.#add({ kind: 'catch-up' }, SECOND_US);
  }
}
