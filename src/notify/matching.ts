/**
 * Which alerts a match is about, and the parts of an alert that groups and inhibitions go by. Pure. Asked for every transition
 * with every route, silence and inhibition, so exact names and ids are looked up, however many a list has; only globs are tried
 * one by one.
 */
import type { Alert } from '../domain/alert.ts';
import type { AlertMatch } from '../domain/operation.ts';

const LABEL = 'labels.';

/** All that is given must match; a list matches any of its entries. Of a rule on groups, the device is the group's name. */
export function matches(match: AlertMatch, alert: Alert): boolean {
  if (match.levels !== null && !match.levels.includes(alert.level)) return false;
  if (match.alerts !== null && !namesOf(match.alerts).exact.has(alert.id)) return false;
  if (match.rules !== null && !matchesAny(match.rules, alert.rule)) return false;
  if (match.devices !== null && !matchesAny(match.devices, alert.device)) return false;
  return Object.entries(match.labels).every(([name, values]) => values.includes(own(alert.labels, name)));
}

/** `rule`, `device`, `level` or `labels.<name>` of an alert; what it does not have is the empty text. */
export function labelOf(alert: Alert, name: string): string {
  if (name === 'rule' || name === 'device' || name === 'level') return alert[name];
  return name.startsWith(LABEL) ? own(alert.labels, name.slice(LABEL.length)) : '';
}

/** Not what every object has, such as `constructor`. */
const own = (labels: Alert['labels'], name: string): string => (Object.hasOwn(labels, name) ? (labels[name] ?? '') : '');

interface Names {
  readonly exact: ReadonlySet<string>;
  readonly globs: readonly string[];
}

/** By the list itself, which never changes: gone with the config or the silence that it is a part of. */
const namesOfLists = new WeakMap<readonly string[], Names>();

function namesOf(list: readonly string[]): Names {
  let names = namesOfLists.get(list);
  if (names === undefined) {
    names = { exact: new Set(list), globs: list.filter((name) => /[*?]/.test(name)) };
    namesOfLists.set(list, names);
  }
  return names;
}

function matchesAny(list: readonly string[], text: string): boolean {
  const { exact, globs } = namesOf(list);
  return exact.has(text) || globs.some((glob) => matchesGlob(glob, text));
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
