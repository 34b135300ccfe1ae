/**
 * The dispatcher on a virtual clock, with rows as they are kept in state.db: alerts come about as alerting makes them, people act on
 * them, time goes by. `isRestless`: it is stopped and started again after every step and every timer, from its rows in the order of
 * their keys; that must change nothing.
 */
import type { Alert, AlertFlag, Level, Transition, TransitionKind } from '../../../src/domain/alert.ts';
import type { AlertMatch, Operation, OperationResult } from '../../../src/domain/operation.ts';
import type { Rule } from '../../../src/domain/rule.ts';
import { matchForm } from '../../../src/notify/config/match-form.ts';
import { parseNotify } from '../../../src/notify/config.ts';
import type { Content, Item } from '../../../src/notify/content.ts';
import type { NewMessage, Note, Tables } from '../../../src/notify/dispatch/dispatch-state.ts';
import { Dispatcher } from '../../../src/notify/dispatch/dispatcher.ts';
import { Policy } from '../../../src/notify/dispatch/policy.ts';
import type { NotifyConfig } from '../../../src/notify/notify-config.ts';
import { parseDurationMs } from '../../../src/std/quantity.ts';

const KINDS: readonly (keyof Tables)[] = ['alert', 'group', 'mute', 'summary', 'storm', 'rate', 'contact', 'flap', 'silence', 'meta'];
/** A Monday. */
export const NOON = '2026-01-05T12:00:00Z';
/** More timers than that in one wait are one that comes back at once. */
const STEPS_MAX = 1000;
/** With more alerts, a restart comes only after so many steps. */
const MANY = 97;
const ITEMS_SHOWN = 8;

export type Flapping = Readonly<Record<string, Rule['flapping']>>;
export interface Setting {
  readonly notify: string;
  /** By rule; what is left out does not flap. */
  readonly flapping?: Flapping;
  /** What `0s` is. */
  readonly start?: string;
}
/** The rule is `hot`, the device bears the alert's name, unless it says otherwise. */
export type Some = Partial<Pick<Alert, 'rule' | 'device' | 'level' | 'labels' | 'flags'>>;

export class World {
  readonly messages: NewMessage[] = [];
  readonly notes: Note[] = [];
  readonly alerts = new Map<string, Alert>();
  readonly #isRestless: boolean;
  readonly #rows = new Map<keyof Tables, Map<string, string>>(KINDS.map((kind) => [kind, new Map<string, string>()]));
  readonly #start: number;
  readonly #counts = new Map<string, number>();
  #policy: Policy;
  #dispatcher: Dispatcher;
  #sequence = 0;
  #stepCount = 0;
  /** What journal time has come to: people act at it, whatever a clock says. */
  #latest = 0;

  constructor(setting: Setting, isRestless: boolean) {
    this.#isRestless = isRestless;
    this.#start = Date.parse(setting.start ?? NOON) * 1000;
    this.#policy = policyOf(setting);
    this.#dispatcher = this.#started();
  }

  get dispatcher(): Dispatcher {
    return this.#dispatcher;
  }

  /** Journal time of `1h30m` after the beginning, or of a date. */
  timeOf(at: string): number {
    const durationMs = parseDurationMs(at);
    const date = Date.parse(at) * 1000;
    if (durationMs === undefined && Number.isNaN(date)) throw new Error(`${at} is neither a duration nor a date`);
    return durationMs === undefined ? date : this.#start + durationMs * 1000;
  }

  /** Seconds after the beginning. */
  secondsOf(time: number): number {
    return (time - this.#start) / 1_000_000;
  }

  advance(to: number): void {
    this.#latest = Math.max(this.#latest, to);
    for (let count = 0; this.#dispatcher.nextDue <= to; count++) {
      if (count > STEPS_MAX) throw new Error(`time stands still at ${this.secondsOf(this.#dispatcher.nextDue)} s`);
      this.#dispatcher.advance(this.#isRestless ? this.#dispatcher.nextDue : to);
      this.#keep();
    }
  }

  /** A transition of the alert, from what it was to what is given. */
  becomes(kind: TransitionKind, id: string, at: number, change: Partial<Alert> & { readonly reason?: string } = {}): void {
    const { reason = `${kind} at ${this.secondsOf(at)} s`, ...changed } = change;
    const before = this.alerts.get(id);
    const alert: Alert = { ...(before ?? newAlert(id, at)), ...changed };
    this.alerts.set(id, alert);
    this.#transition({ kind, alert, at, reason, fromLevel: kind === 'level' ? (before?.level ?? null) : null });
  }

  backlog(device: string, at: number, of: { readonly ids: readonly string[]; readonly more?: number }): void {
    const alerts = of.ids.map((id) => this.alert(id));
    for (const alert of alerts) this.alerts.set(alert.id, { ...alert, flags: alert.flags.filter((flag) => flag !== 'retrospective') });
    const listed = of.ids.map((id) => this.alert(id));
    const [alert = newAlert('nothing', at)] = listed;
    const backlog = { device, from: at - 7_200_000_000, to: at, alerts: listed, more: of.more ?? 0 };
    this.#transition({ kind: 'backlog', alert, at, reason: 'the backlog has ended', fromLevel: null, backlog });
  }

  alert(id: string): Alert {
    const alert = this.alerts.get(id);
    if (alert === undefined) throw new Error(`the script knows no alert ${id}`);
    return alert;
  }

  operate(operation: Operation, at: number): OperationResult {
    this.advance(at);
    const result = this.#dispatcher.operate(operation, this.#latest);
    this.#keep();
    return result;
  }

  reload(setting: Setting, at: number): void {
    this.advance(at);
    this.#policy = policyOf(setting);
    this.#dispatcher = this.#started();
    this.#dispatcher.advance(this.#latest);
    this.#keep();
  }

  restart(): void {
    this.#dispatcher = this.#started();
  }

  flagsOf(id: string): AlertFlag[] {
    return this.#dispatcher.flagsOf(id);
  }

  /** Rows of a kind, by key. */
  rowsOf(kind: keyof Tables): string[] {
    return [...(this.#rows.get(kind)?.keys() ?? [])].sort();
  }

  #transition(transition: Omit<Transition, 'id' | 'sequence' | 'receivedAt' | 'journaledAt'>): void {
    const { id } = transition.alert;
    const count = (this.#counts.get(id) ?? 0) + 1;
    this.#counts.set(id, count);
    this.#sequence += 1;
    const { at } = transition;
    this.#dispatcher.transition({ ...transition, id: `${id}/${count}`, sequence: this.#sequence, receivedAt: at, journaledAt: at });
    this.#keep();
  }

  #started(): Dispatcher {
    return new Dispatcher(this.#policy, (tables) => {
      for (const kind of KINDS) {
        const rows = [...(this.#rows.get(kind) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
        tables[kind].load(rows.map(([key, text]) => [key, JSON.parse(text) as never]));
      }
    });
  }

  #keep(): void {
    this.#dispatcher.stamp();
    const { messages, notes } = this.#dispatcher.take();
    this.messages.push(...messages);
    this.notes.push(...notes);
    for (const kind of KINDS) {
      const rows = this.#rows.get(kind);
      const { set, deleted } = this.#dispatcher.tables[kind].takeChanges();
      for (const key of deleted) rows?.delete(key);
      for (const [key, value] of set) rows?.set(key, JSON.stringify(value, finite));
    }
    this.#stepCount += 1;
    const isMany = (this.#rows.get('alert')?.size ?? 0) > MANY;
    if (this.#isRestless && (!isMany || this.#stepCount % MANY === 0)) this.restart();
  }
}

function finite(name: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${name} is ${value}, which JSON cannot hold`);
  return value;
}

export function configOf(notify: string): NotifyConfig {
  const { config, problems } = parseNotify({ path: 'notify.yaml', text: notify });
  if (problems.length > 0) throw new Error(problems.map((problem) => problem.render()).join('\n'));
  return config;
}

function policyOf({ notify, flapping = {} }: Setting): Policy {
  return new Policy(
    configOf(notify),
    Object.entries(flapping).map(([id, limit]) => ({ id, flapping: limit })),
  );
}

export function matchOf(match: unknown): AlertMatch {
  return matchForm.parse(match);
}

export function newAlert(id: string, at: number): Alert {
  return {
    id,
    rule: 'hot',
    device: id,
    level: 'warning',
    state: 'firing',
    flags: [],
    since: at,
    firedAt: at,
    resolvedAt: null,
    value: 9.3,
    summary: `${id} is hot`,
    labels: {},
  };
}

/** `a firing, b level warning→critical`, with the cause before it where it is no plain update. */
export function textOf(content: Content): string {
  const { items, more } = content;
  const texts = items.length <= ITEMS_SHOWN ? items.map(itemText) : counted(items);
  return `${causeText(content)}${[...texts, ...(more === 0 ? [] : [`${more} more`])].join(', ')}`;
}

const levelText = (level: Level): string => (level === 'warning' ? '' : ` ${level}`);

function itemText({ alert, news, fromLevel }: Item): string {
  if (news === 'level') return `${alert.id} ${fromLevel ?? '?'}→${alert.level}`;
  if (news === 'no-data') return `${alert.id} ${alert.flags.includes('no-data') ? 'no-data' : 'data again'}`;
  return `${alert.id} ${news}${levelText(alert.level)}`;
}

function counted(items: readonly Item[]): string[] {
  const counts = new Map<string, number>();
  for (const { news } of items) counts.set(news, (counts.get(news) ?? 0) + 1);
  return [...counts].map(([news, count]) => `${count} ${news}`);
}

function causeText({ cause }: Content): string {
  switch (cause.kind) {
    case 'update':
      return '';
    case 'reminder':
      return 'reminder: ';
    case 'escalation':
      return `step ${cause.step} of ${cause.steps}: `;
    case 'backlog':
      return `backlog of ${cause.device}: `;
    case 'mute-end':
      return `end of ${cause.mute} ${cause.name}: `;
    case 'storm': {
      const { phase, explanation, total, firing } = cause;
      const by = explanation === null ? '' : `, ${explanation.count} of ${explanation.name} ${explanation.value}`;
      return `storm ${phase}, ${firing} of ${total} fire${by}: `;
    }
    case 'digest':
      return `digest of ${cause.held}: `;
    case 'test':
      return 'test: ';
  }
}
