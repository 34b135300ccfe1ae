/**
 * Who is told of a transition, and why. Pure: the same transition, config and memory of who was told give the same answer.
 *
 *     pending, cancelled   nobody: an alert is told of when it fires
 *     firing               the contacts of the route
 *     level, no-data       the contacts of the route as it is now, and whoever was told before
 *     resolved             whoever was told before, whatever the routes say now
 *     retrospective        nobody yet: the summary at the end of the device's backlog tells of it
 *     backlog              for each alert in it: the contacts of the route as the alert is now, and whoever was told before
 *
 * Whoever was told of an alert hears of its changes and its end, also when a level change moved it to another route.
 */
import type { Alert, Transition } from '../domain/alert.ts';
import type { NotifyConfig, Route } from './config.ts';
import { alertsOf, isRetrospective } from './summary.ts';

export type MessageKind = 'firing' | 'level' | 'no-data' | 'resolved' | 'backlog';

export interface Decision {
  readonly kind: MessageKind | null;
  /** Ids of contacts, each once. */
  readonly contacts: readonly string[];
  /** One sentence for the alert's timeline. */
  readonly reason: string;
  /** Of a backlog only: who is told of which of its alerts, and why. */
  readonly summary?: readonly Summarised[];
}

export interface Summarised {
  readonly alert: Alert;
  readonly contacts: readonly string[];
  readonly reason: string;
}

export interface Memory {
  readonly config: NotifyConfig;
  /** Who was told of the transition's alert. */
  readonly told: readonly string[];
  /** Who was told of any alert, for a backlog: without it only what `told` says is known. */
  readonly toldOf?: (alert: string) => readonly string[];
}

const REASONS_MAX = 10;

export function decide(transition: Transition, memory: Memory): Decision {
  const { kind, alert } = transition;
  if (kind === 'pending') return { kind: null, contacts: [], reason: 'pending: nobody is told before it fires' };
  if (kind === 'cancelled') return { kind: null, contacts: [], reason: 'ended before it fired: nobody is told' };
  if (kind === 'backlog') return decideBacklog(transition, memory);
  if (isRetrospective(transition))
    return { kind: null, contacts: [], reason: 'retrospective: told in the summary at the end of the backlog' };
  if (kind === 'resolved') {
    const { told, goneText } = stillContacts(memory.told, memory.config);
    if (told.length === 0) return { kind, contacts: [], reason: `resolved: nobody had been told of it${goneText}` };
    return { kind, contacts: told, reason: `resolved: to ${told.join(', ')}, who had been told of it${goneText}` };
  }
  return { kind, ...routed(alert, memory.told, memory.config) };
}

function decideBacklog(transition: Transition, { config, told, toldOf }: Memory): Decision {
  const before = toldOf ?? ((id: string) => (id === transition.alert.id ? told : []));
  const name = `summary of the backlog of ${transition.backlog?.device ?? transition.alert.device}`;
  // What ended before it fired is nobody's concern, here as elsewhere.
  const fired = alertsOf(transition).filter(({ firedAt }) => firedAt !== null);
  if (fired.length === 0) return { kind: null, contacts: [], reason: `${name}: nothing in it had fired, nobody is told` };
  const summary = fired.map((alert): Summarised => ({ alert, ...routed(alert, before(alert.id), config) }));
  const contacts = [...new Set(summary.flatMap((entry) => entry.contacts))];
  const reasons = summary.slice(0, REASONS_MAX).map(({ alert, reason }) => `${alert.rule}: ${reason}`);
  if (summary.length > REASONS_MAX) reasons.push(`and ${summary.length - REASONS_MAX} more`);
  const whom = contacts.length === 0 ? 'tells nobody' : `to ${contacts.join(', ')}`;
  return { kind: 'backlog', contacts, reason: `${name} ${whom} (${reasons.join(' | ')})`, summary };
}

/** The contacts of the route as the alert is now, and whoever was told before. */
function routed(alert: Alert, before: readonly string[], config: NotifyConfig): { contacts: string[]; reason: string } {
  const { told, goneText } = stillContacts(before, config);
  const { contacts, routeText } = routeOf(alert, config);
  const kept = told.filter((id) => !contacts.includes(id));
  const keptText = kept.length === 0 ? '' : `; also ${kept.join(', ')}, who had been told before`;
  const whom = contacts.length === 0 ? 'tells nobody' : `to ${contacts.join(', ')}`;
  return { contacts: [...contacts, ...kept], reason: `${routeText} ${whom}${keptText}${goneText}` };
}

function stillContacts(before: readonly string[], config: NotifyConfig): { told: string[]; goneText: string } {
  const known = new Set(config.contacts.map(({ id }) => id));
  const gone = before.filter((id) => !known.has(id));
  return {
    told: before.filter((id) => known.has(id)),
    goneText: gone.length === 0 ? '' : `; no longer a contact: ${gone.join(', ')}`,
  };
}

function routeOf(alert: Alert, config: NotifyConfig): { contacts: string[]; routeText: string } {
  const contacts = new Set<string>();
  const lines: number[] = [];
  for (const route of config.routes) {
    if (!matches(route, alert)) continue;
    lines.push(route.place.line);
    for (const id of route.to) contacts.add(id);
    if (!route.continue) return { contacts: [...contacts], routeText: routeNames(lines) };
  }
  // A route with `continue` looks further; the default is for what no route has matched.
  if (lines.length > 0) return { contacts: [...contacts], routeText: routeNames(lines) };
  return { contacts: [...config.default.to], routeText: 'no route matches: the default' };
}

const routeNames = (lines: readonly number[]): string =>
  `${lines.length === 1 ? 'the route on line' : 'the routes on lines'} ${lines.join(', ')}`;

function matches({ match }: Route, alert: Alert): boolean {
  if (match.levels !== null && !match.levels.includes(alert.level)) return false;
  if (match.rules !== null && !match.rules.some((glob) => matchesGlob(glob, alert.rule))) return false;
  if (match.devices !== null && !match.devices.some((glob) => matchesGlob(glob, alert.device))) return false;
  return Object.entries(match.labels).every(
    ([name, values]) => Object.hasOwn(alert.labels, name) && values.includes(alert.labels[name] ?? ''),
  );
}

/** `*` any characters, `?` one. In time proportional to glob × text, never exponential. */
export function matchesGlob(glob: string, text: string): boolean {
  let at = 0;
  let globAt = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    if (globAt < glob.length && (glob[globAt] === '?' || glob[globAt] === text[at]) && glob[globAt] !== '*') {
      globAt += 1;
      at += 1;
    } else if (glob[globAt] === '*') {
      star = globAt++;
      starAt = at;
    } else if (star >= 0) {
      globAt = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (glob[globAt] === '*') globAt += 1;
  return globAt === glob.length;
}
