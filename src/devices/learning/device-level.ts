/**
 * Which level of a family of topics names the device, which the metric, and which are labels.
 *
 * What varies names something. A label is one that is the same in all topics of a device; what takes several values within one
 * device is the metric, and there is room for one. So every level is tried as the device: of those that leave at most one metric, the
 * one that looks most like an id wins, and the one that looks most like a name of what is measured comes last.
 */
import { isMetricWord } from './metric-words.ts';

export interface Levels {
  readonly device: number;
  readonly metric: number | null;
  readonly labels: readonly number[];
  /** What is not certain, as sentences. */
  readonly doubts: readonly string[];
}

/** Words that many topics end or begin with, and no device is called by. */
const GENERIC = new Set(
  'telemetry tele state states status data json up uplink event events value values measurement measurements sensor sensors attributes info out report reading readings devices device stat cmnd v1 v2 v3 api lwt rpc home'.split(
    ' ',
  ),
);

/** Has digits, or is a long hexadecimal number: no word that people would choose for what is measured. */
export const isId = (level: string): boolean =>
  (/\d/.test(level) || /^[0-9a-fA-F]{8,}$/.test(level)) && !isMetricWord(level) && !GENERIC.has(level.toLowerCase());

/** @param topics split at `/`, all of one length; at least one */
export function levelsOf(topics: readonly (readonly string[])[], look: 'object' | 'value'): Levels {
  const count = topics[0]?.length ?? 0;
  const positions = Array.from({ length: count }, (_, index) => index);
  const distinct = positions.map((position) => [...new Set(topics.map((levels) => levels[position] ?? ''))]);
  const varying = positions.filter((position) => (distinct[position]?.length ?? 0) > 1);
  const score = (position: number): number => {
    const names = distinct[position] ?? [];
    const share = (is: (name: string) => boolean): number => names.filter(is).length / names.length;
    const isFixed = names.length === 1;
    const atEdge = (position === 0 && isFixed && count > 1) || (position === count - 1 && look === 'value' && count > 1);
    return (
      3 * share(isId) +
      (isFixed ? 0 : 2) -
      3 * share(isMetricWord) -
      3 * share((name) => GENERIC.has(name.toLowerCase())) -
      (atEdge ? 1.5 : 0)
    );
  };
  const ranked = positions
    .map((position) => ({ position, others: varying.filter((other) => other !== position && !isFunction(topics, position, other)) }))
    .sort(
      (a, b) =>
        Number(a.others.length > 1) - Number(b.others.length > 1) ||
        score(b.position) - score(a.position) ||
        (distinct[b.position]?.length ?? 0) - (distinct[a.position]?.length ?? 0),
    );
  const [best] = ranked;
  if (best === undefined) throw new Error('a family of no topics');
  const device = best.position;
  const doubts: string[] = [];
  if (!varying.includes(device))
    doubts.push(`only one device was heard, or the device is another level: ${levelText(distinct, device)} was taken for it`);
  const metrics =
    best.others.length > 0
      ? best.others
      : look === 'value'
        ? varying.filter((position) => position !== device && named(distinct, position))
        : [];
  const [metric = null] = metrics.toSorted((a, b) => score(a) - score(b));
  for (const position of best.others) {
    if (position !== metric)
      doubts.push(
        `level ${position + 1} (${levelText(distinct, position)}) takes several values for one device: such devices are taken for one`,
      );
  }
  return { device, metric, labels: varying.filter((position) => position !== device && position !== metric), doubts };
}

/** Whether what stands at `other` follows from what stands at `position`. */
function isFunction(topics: readonly (readonly string[])[], position: number, other: number): boolean {
  const known = new Map<string, string>();
  return topics.every((levels) => {
    const key = levels[position] ?? '';
    const before = known.get(key);
    known.set(key, levels[other] ?? '');
    return before === undefined || before === levels[other];
  });
}

/** Every device has one metric of its own: still a metric, where it is called like one. */
const named = (distinct: readonly (readonly string[])[], position: number): boolean => distinct[position]?.every(isMetricWord) ?? false;

const SHOWN_MAX = 3;
const levelText = (distinct: readonly (readonly string[])[], position: number): string => {
  const names = distinct[position] ?? [];
  return `${names.slice(0, SHOWN_MAX).join(', ')}${names.length > SHOWN_MAX ? ', …' : ''}`;
};
