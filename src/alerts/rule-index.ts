/**
 * Which rules may be for a device, without asking every rule: with ten thousand rules and a hundred thousand devices that
 * would be a billion questions at every start. A rule is found by the device's profile and, within it, by its exact id, by
 * one of its labels, or by what stands before the first star of its glob; only rules that give none of these are asked for
 * every device. Every rule that matches is among the candidates; a candidate need not match.
 */
import type { DeviceRef } from '../domain/reading.ts';
import type { Selector } from '../domain/rule.ts';
import type { CompiledRule } from '../rules/compile.ts';

export interface RuleIndex {
  /** In the order of the rules, together with `kept`, each once. */
  candidates(device: DeviceRef, kept?: readonly CompiledRule[]): CompiledRule[];
}

/** Places in the list of rules, by what a device must have. */
interface Buckets {
  readonly byId: Map<string, number[]>;
  readonly byLabel: Map<string, number[]>;
  /** By its length, and then by the prefix itself. */
  readonly byPrefix: Map<number, Map<string, number[]>>;
  readonly others: number[];
}

const WILDCARD = /[*?]/u;

/** @param isFor whether a rule can be for devices of a profile; null is that of a device without one */
export function createRuleIndex(rules: readonly CompiledRule[], isFor: (rule: CompiledRule, profile: string | null) => boolean): RuleIndex {
  const order = new Map(rules.map((rule, place) => [rule, place]));
  const rarity = new Map<string, number>();
  for (const { rule } of rules) for (const key of labelKeys(rule.selector.labels)) rarity.set(key, (rarity.get(key) ?? 0) + 1);
  const profiles = new Map<string | null, Buckets>();

  const bucketsOf = (profile: string | null): Buckets => {
    const known = profiles.get(profile);
    if (known !== undefined) return known;
    const buckets: Buckets = { byId: new Map(), byLabel: new Map(), byPrefix: new Map(), others: [] };
    for (const [place, rule] of rules.entries()) if (isFor(rule, profile)) put(buckets, rule.rule.selector, place, rarity);
    profiles.set(profile, buckets);
    return buckets;
  };

  return {
    candidates(device, kept = []) {
      const places = placesFor(bucketsOf(device.profile), device);
      for (const rule of kept) {
        const place = order.get(rule);
        if (place !== undefined) places.push(place);
      }
      places.sort((left, right) => left - right);
      return places.flatMap((place, index) => (place === places[index - 1] ? [] : (rules[place] ?? [])));
    },
  };
}

/** Into the one bucket that the fewest devices will look into. */
function put(buckets: Buckets, selector: Selector, place: number, rarity: ReadonlyMap<string, number>): void {
  const { id, labels } = selector;
  const prefix = id === null ? '' : (id.split(WILDCARD, 1)[0] ?? '');
  const rarest = labelKeys(labels).toSorted((left, right) => (rarity.get(left) ?? 0) - (rarity.get(right) ?? 0))[0];
  if (id !== null && prefix === id) append(buckets.byId, id, place);
  else if (rarest !== undefined) append(buckets.byLabel, rarest, place);
  else if (prefix === '') buckets.others.push(place);
  else {
    const prefixes = buckets.byPrefix.get(prefix.length) ?? new Map<string, number[]>();
    buckets.byPrefix.set(prefix.length, prefixes);
    append(prefixes, prefix, place);
  }
}

function placesFor({ byId, byLabel, byPrefix, others }: Buckets, { id, labels }: DeviceRef): number[] {
  const found: (readonly number[])[] = [others, byId.get(id) ?? []];
  if (byLabel.size > 0) for (const key of labelKeys(labels)) found.push(byLabel.get(key) ?? []);
  for (const [length, prefixes] of byPrefix) found.push(prefixes.get(id.slice(0, length)) ?? []);
  return found.flat();
}

const labelKeys = (labels: Readonly<Record<string, string>>): string[] =>
  Object.entries(labels).map(([name, value]) => `${name}\u0000${value}`);

function append(lists: Map<string, number[]>, key: string, place: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [place]);
  else list.push(place);
}
