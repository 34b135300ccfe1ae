/** How two sets of rules differ, and what that resets: a changed condition its run and counters, a changed `for` nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule, RuleLevel } from '../domain/rule.ts';
import { createSelector } from '../rules/selector.ts';
import { added, type Change, changed, duration, listed, removed, type Thing, Written } from './change.ts';

export interface RulesAndDevices {
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
}

export function rulesDiff(before: RulesAndDevices, after: RulesAndDevices): Change[] {
  const old = new Map(before.rules.map((rule) => [rule.id, rule]));
  const ids = new Set(after.rules.map(({ id }) => id));
  const gone = before.rules.filter(({ id }) => !ids.has(id));
  return [
    ...gone.map((rule) => removed(thing(rule), 'its open alerts are closed with the reason "removed"')),
    ...after.rules.flatMap((rule) => {
      const known = old.get(rule.id);
      return known === undefined ? [added(thing(rule), 'evaluated from the next reading on')] : ruleDiff(known, rule, { before, after });
    }),
  ];
}

const thing = ({ id }: Rule): Thing => ({ kind: 'rule', id });

function ruleDiff(from: Rule, to: Rule, { before, after }: { before: RulesAndDevices; after: RulesAndDevices }): Change[] {
  const changes: Change[] = [];
  const compare = (part: string, left: unknown, right: unknown, effect: string, resets = false): void => {
    if (!isDeepStrictEqual(left, right)) changes.push(changed(thing(to), { part, from: left, to: right, effect, resets }));
  };
  if (!isDeepStrictEqual(from.selector, to.selector)) {
    const effect = selectorEffect(selectedBy(from, before.directory), selectedBy(to, after.directory));
    changes.push(changed(thing(to), { part: 'devices', from: shortened(from.selector), to: shortened(to.selector), effect }));
  }
  compare('by', from.by, to.by, 'its groups start anew, and alerts of the old ones are closed with the reason "removed"', true);
  for (const level of [...new Set([...from.levels, ...to.levels].map((either) => either.level))]) {
    const [left, right] = [from, to].map(({ levels }) => levels.find((candidate) => candidate.level === level));
    if (left === undefined) changes.push(added(thing(to), 'evaluated from the next reading on', level));
    else if (right === undefined) changes.push(removed(thing(to), 'nothing raises it any more', level));
    else changes.push(...levelDiff(thing(to), left, right));
  }
  const [left, right] = [from, to].map(({ noData }) =>
    noData === null ? null : { after: duration(noData.afterMs).text, ...noData.action, ...(noData.metrics && { metrics: noData.metrics }) },
  );
  compare('noData', left, right, 'silence is measured anew from the last value; nothing starts anew');
  compare('flapping', flappingOf(from), flappingOf(to), 'the changes so far are counted by it; nothing starts anew');
  compare('summary', from.summary, to.summary, 'from the next message on');
  compare('labels', from.labels, to.labels, 'on alerts that open from now on');
  compare('description', from.description, to.description, 'from the next message on');
  compare('runbook', from.runbook, to.runbook, 'from the next message on');
  return changes;
}

const flappingOf = ({ flapping }: Rule): unknown =>
  flapping === null ? new Written('off') : { changes: flapping.changes, in: duration(flapping.inMs).text };

function levelDiff(rule: Thing, from: RuleLevel, to: RuleLevel): Change[] {
  const changes: Change[] = [];
  const compare = (part: string, left: unknown, right: unknown, effect: string, resets = false): void => {
    if (!isDeepStrictEqual(left, right))
      changes.push(changed(rule, { part: `${to.level}.${part}`, from: left, to: right, effect, resets }));
  };
  compare('when', from.when.text, to.when.text, 'its run and counters start anew', true);
  compare('count', from.count, to.count, 'its counter starts anew', true);
  compare('for', duration(from.forMs), duration(to.forMs), 'measured anew from since; nothing starts anew');
  compare('clear', from.clear?.text, to.clear?.text, 'asked from the next reading on');
  compare('keepFiringFor', duration(from.keepFiringForMs), duration(to.keepFiringForMs), 'measured anew from when nothing asked for it');
  return changes;
}

/** The devices of the fleet file that it is for. */
function selectedBy(rule: Rule, { fleet }: DeviceDirectory): string[] {
  const matches = createSelector(rule.selector);
  return fleet.filter(({ id, profile, labels }) => matches({ id, profile, labels })).map(({ id }) => id);
}

function selectorEffect(before: readonly string[], after: readonly string[]): string {
  const [lost, won] = [without(before, after), without(after, before)];
  const parts = [
    ...(won.length > 0 ? [`now for ${listed(won)}`] : []),
    ...(lost.length > 0 ? [`no longer for ${listed(lost)}`] : []),
    'alerts of devices that it no longer selects are closed with the reason "removed"',
  ];
  return parts.join('; ');
}

function without(names: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return names.filter((name) => !known.has(name));
}

function shortened(selector: Rule['selector']): Record<string, unknown> {
  const { profile, id, labels } = selector;
  return { ...(profile !== null && { profile }), ...(id !== null && { id }), ...(Object.keys(labels).length > 0 && { labels }) };
}

/** Whether one of the rule's conditions names the metric. Text is looked at: a name in a quoted text counts as well. */
export function mentions(rule: Rule, name: string): boolean {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, 'u');
  return rule.levels.some(({ when, clear }) => pattern.test(when.text) || (clear !== null && pattern.test(clear.text)));
}
