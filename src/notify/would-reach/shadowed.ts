/** Routes that no alert ever comes to, as earlier ones match all that they match. */
import { LEVELS } from '../../domain/alert.ts';
import type { AlertMatch } from '../../domain/operation.ts';
import { renderPlace } from '../../domain/rule.ts';
import { TocsinError } from '../../std/errors.ts';
import { matchesGlob } from '../matching.ts';
import type { Route } from '../notify-config.ts';

/** A match with one value of each thing. */
type Single = readonly { readonly key: string; readonly value: string }[];

/** Beyond it the parts of a match are not told apart: a shadowed route is then told of only when one route covers it alone. */
const SINGLES_MAX = 500;
const LABEL = 'labels.';
/** Stands for what no pattern names. */
const OTHER = '\u{e000}';

export function shadowedRoutes(routes: readonly Route[]): TocsinError[] {
  return routes.flatMap((route, index) => {
    const earlier = routes.slice(0, index).filter((other) => !other.continue);
    const covering = new Set<Route>();
    for (const single of singlesOf(route.match)) {
      const cover = earlier.find(({ match }) => covers(match, single));
      if (cover === undefined) return [];
      covering.add(cover);
    }
    const places = [...covering].map(({ place }) => renderPlace(place));
    const others = places.length === 1 ? `the one at ${places[0]} matches` : `those at ${places.slice(0, 3).join(', ')} match`;
    const hint = 'put it before, or write continue: true there, so that it is asked as well';
    return [new TocsinError(`this route is never reached: ${others} all that it does`, { place: renderPlace(route.place), hint })];
  });
}

/** All that a match can be taken apart into: an alert that it matches is matched by one of them. */
function singlesOf({ levels, rules, devices, labels }: AlertMatch): Single[] {
  const lists: [key: string, values: readonly string[]][] = [
    ['level', levels ?? LEVELS],
    ['rule', rules ?? ['*']],
    ['device', devices ?? ['*']],
    ...Object.entries(labels).map(([name, values]): [string, readonly string[]] => [LABEL + name, values]),
  ];
  let singles: Single[] = [[]];
  for (const [key, values] of lists) {
    const more = singles.flatMap((single) => values.map((value) => [...single, { key, value }]));
    // Left as it is, the list covers nothing: too little is told then, never too much.
    singles = more.length > SINGLES_MAX ? singles : more;
  }
  return singles;
}

function covers({ levels, rules, devices, labels }: AlertMatch, single: Single): boolean {
  const valueAt = (key: string): string | undefined => single.find((part) => part.key === key)?.value;
  const holds = (list: readonly string[] | null, key: string, isCovered: (entry: string, value: string) => boolean): boolean => {
    const value = valueAt(key);
    return list === null || (value !== undefined && list.some((entry) => isCovered(entry, value)));
  };
  const isSame = (entry: string, value: string): boolean => entry === value;
  return (
    holds(levels, 'level', isSame) &&
    holds(rules, 'rule', coversGlob) &&
    holds(devices, 'device', coversGlob) &&
    Object.entries(labels).every(([name, values]) => holds(values, LABEL + name, isSame))
  );
}

/** Whether `glob` matches whatever `narrower` matches: its stars may stand for nothing, and for more than `glob` has question marks. */
function coversGlob(glob: string, narrower: string): boolean {
  const letters = narrower.replaceAll('?', OTHER);
  return matchesGlob(glob, letters.replaceAll('*', '')) && matchesGlob(glob, letters.replaceAll('*', OTHER.repeat(glob.length + 1)));
}
