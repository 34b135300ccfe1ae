/**
 * Who is told of a transition, and why. Pure: the same transition, config and memory of who was told give the same answer.
 *
 *     pending, cancelled   nobody: an alert is told of when it fires
 *     firing               the contacts of the route
 *     level, no-data       the contacts of the route as it is now, and whoever was told before
 *     resolved             whoever was told before, whatever the routes say now
 *
 * Whoever was told of an alert hears of its changes and its end, also when a level change moved it to another route.
 */
import type { Alert, Transition } from '../domain/alert.ts';
import type { NotifyConfig, Route } from './config.ts';

export type MessageKind = 'firing' | 'level' | 'no-data' | 'resolved';

export interface Decision {
  readonly kind: MessageKind | null;
  /** Ids of contacts, each once. */
  readonly contacts: readonly string[];
  /** One sentence for the alert's timeline. */
  readonly reason: string;
}

export function decide(transition: Transition, memory: { readonly config: NotifyConfig; readonly told: readonly string[] }): Decision {
  const { kind, alert } = transition;
  if (kind === 'pending') return { kind: null, contacts: [], reason: 'pending: nobody is told before it fires' };
  if (kind === 'cancelled') return { kind: null, contacts: [], reason: 'ended before it fired: nobody is told' };
  if (kind === 'backlog') return { kind: null, contacts: [], reason: 'the end of a backlog' };
  const known = new Set(memory.config.contacts.map(({ id }) => id));
  const told = memory.told.filter((id) => known.has(id));
  const gone = memory.told.filter((id) => !known.has(id));
  const goneText = gone.length === 0 ? '' : `; no longer a contact: ${gone.join(', ')}`;
  if (kind === 'resolved') {
    if (told.length === 0) return { kind, contacts: [], reason: `resolved: nobody had been told of it${goneText}` };
    return { kind, contacts: told, reason: `resolved: to ${told.join(', ')}, who had been told of it${goneText}` };
  }
  const { contacts, routeText } = routeOf(alert, memory.config);
  const kept = told.filter((id) => !contacts.includes(id));
  const all = [...contacts, ...kept];
  const keptText = kept.length === 0 ? '' : `; also ${kept.join(', ')}, who had been told before`;
  const whom = contacts.length === 0 ? 'tells nobody' : `to ${contacts.join(', ')}`;
  return { kind, contacts: all, reason: `${routeText} ${whom}${keptText}${goneText}` };
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
