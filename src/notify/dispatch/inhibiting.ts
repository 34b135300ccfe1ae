/**
 * Who inhibits whom. A target is inhibited while an unresolved source matches that has equal values; not by itself, and not by an
 * alert that it inhibits in turn, as of two that mute each other nobody would hear.
 *
 * An inhibition and the values of its `equal` labels make a key. With thousands of alerts under one key, a change of one source
 * asks only those targets for which it can make a difference.
 */
import type { Alert } from '../../domain/alert.ts';
import { isFiring } from '../content.ts';
import { labelOf, matches } from '../matching.ts';
import type { Policy } from './policy.ts';

/** Keys under which an alert is a source, or a target. */
interface Standing {
  readonly sources: readonly string[];
  readonly targets: readonly string[];
}
const NOWHERE: Standing = { sources: [], targets: [] };

export class Inhibiting {
  readonly #policy: Policy;
  readonly #sources = new Map<string, Set<string>>();
  readonly #targets = new Map<string, Set<string>>();
  /** Targets that are sources of something: who inhibits them may be inhibited by them. */
  readonly #sourceTargets = new Map<string, Set<string>>();
  readonly #standing = new Map<string, Standing>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** The alert is new or has changed. @returns keys whose targets may be inhibited now, or not any more, because of it */
  place(alert: Alert): string[] {
    const before = this.#standing.get(alert.id) ?? NOWHERE;
    this.remove(alert.id);
    const now = { sources: this.#keysOf('source', alert), targets: this.#keysOf('target', alert) };
    for (const key of now.sources) put(this.#sources, key, alert.id);
    for (const key of now.targets) put(this.#targets, key, alert.id);
    if (now.sources.length > 0) for (const key of now.targets) put(this.#sourceTargets, key, alert.id);
    if (now.sources.length + now.targets.length > 0) this.#standing.set(alert.id, now);
    // As another one's target, it may inhibit that one no longer.
    const isOtherTarget = before.targets.join('\n') !== now.targets.join('\n');
    const keys = [...new Set([...before.sources, ...now.sources])];
    return keys.filter((key) => isOtherTarget || before.sources.includes(key) !== now.sources.includes(key));
  }

  remove(id: string): void {
    const standing = this.#standing.get(id);
    if (standing === undefined) return;
    for (const key of standing.sources) drop(this.#sources, key, id);
    for (const key of standing.targets) drop(this.#targets, key, id);
    for (const key of standing.targets) drop(this.#sourceTargets, key, id);
    this.#standing.delete(id);
  }

  /** Keys under which the alert is inhibited; it need not be one that was placed. */
  keysFor(alert: Alert): string[] {
    const sources = this.#keysOf('source', alert);
    return this.#keysOf('target', alert).filter((key) => this.#isInhibited(alert.id, key, sources));
  }

  /** Ids of the key's sources, in order. */
  sourcesOf(key: string): string[] {
    return [...(this.#sources.get(key) ?? [])].sort();
  }

  /** Targets that are inhibited and were not, or the other way round, now that one of the key's sources has changed; in order. */
  changedBy(source: string, key: string, wasInhibited: (id: string) => boolean): string[] {
    const sources = this.#sources.get(key);
    // Whoever inhibits nothing is inhibited by any other source as well as by this one.
    const isAnyOther = (sources?.size ?? 0) > (sources?.has(source) === true ? 1 : 0);
    const asked = (isAnyOther ? this.#sourceTargets : this.#targets).get(key) ?? [];
    const isSource = sources?.has(source) === true;
    return [...asked].filter((id) => this.#isChanged({ id, source, isSource }, key, wasInhibited(id))).sort();
  }

  #isChanged({ id, source, isSource }: { id: string; source: string; isSource: boolean }, key: string, wasInhibited: boolean): boolean {
    const own = this.#standing.get(id)?.sources ?? [];
    const isInhibitedByIt = isSource && id !== source && !this.#isAnyTarget(source, own);
    return wasInhibited ? !isInhibitedByIt && !this.#isInhibited(id, key, own) : isInhibitedByIt;
  }

  /** @param own keys of which the alert is a source */
  #isInhibited(id: string, key: string, own: readonly string[]): boolean {
    for (const source of this.#sources.get(key) ?? []) if (source !== id && !this.#isAnyTarget(source, own)) return true;
    return false;
  }

  #isAnyTarget(id: string, keys: readonly string[]): boolean {
    if (keys.length === 0) return false;
    const targets = this.#standing.get(id)?.targets ?? [];
    return keys.some((key) => targets.includes(key));
  }

  /** What is over is no source. */
  #keysOf(side: 'source' | 'target', alert: Alert): string[] {
    if (side === 'source' && !isFiring(alert)) return [];
    return this.#policy.inhibitions.flatMap(({ key, equal, [side]: match }) =>
      matches(match, alert) ? [`inhibition/${key}/${JSON.stringify(equal.map((name) => labelOf(alert, name)))}`] : [],
    );
  }
}

function put(sets: Map<string, Set<string>>, key: string, id: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([id]));
  else set.add(id);
}

function drop(sets: Map<string, Set<string>>, key: string, id: string): void {
  const set = sets.get(key);
  if (set?.delete(id) && set.size === 0) sets.delete(key);
}
