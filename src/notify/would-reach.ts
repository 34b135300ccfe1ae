/**
 * Alerts that would reach nobody, found before they fire: for every rule, each of its levels and whom it can be about, which
 * routes match, and whether there is somebody at every time of the week. That a route leads to nobody on purpose (`to: []`) is
 * no mistake. A mute is none either, as what was muted is summed up; one that never ends is. Pure.
 */
import { type Alert, type Level, levelRank } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import { type Rule, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import type { PlaceOf } from './config.ts';
import { matches } from './matching.ts';
import type { NotifyConfig } from './notify-config.ts';
import { type Gap, Gaps, gapText } from './would-reach/gaps.ts';
import { shadowedRoutes } from './would-reach/shadowed.ts';
import { type Subject, Subjects } from './would-reach/subjects.ts';

/** What is told of each kind; beyond it there is a number. */
const TOLD_MAX = 20;
const NAMES_MAX = 3;

type End =
  | { readonly kind: 'reached' | 'on purpose' | 'no route' }
  | { readonly kind: 'gap'; readonly gap: Gap; readonly to: readonly string[] };

/** A rule's alert at some levels, about some of what the rule is for. */
interface Finding {
  readonly rule: Rule;
  readonly levels: Level[];
  readonly end: End;
  readonly subjects: readonly Subject[];
  /** All that the rule is for. */
  readonly isWhole: boolean;
}

/**
 * What should not be, each with its place and what to do.
 * @param placeOf where something stands in notify.yaml
 */
export function unreached(rules: readonly Rule[], directory: DeviceDirectory, config: NotifyConfig, placeOf?: PlaceOf): TocsinError[] {
  const findings = findingsOf(rules, directory, config);
  const unrouted = findings.filter(({ end }) => end.kind === 'no route').map(unroutedProblem);
  return [
    ...shadowedRoutes(config.routes),
    ...neverOpen(config, placeOf),
    ...unrouted.slice(0, TOLD_MAX),
    ...(unrouted.length > TOLD_MAX
      ? [new TocsinError(`${unrouted.length - TOLD_MAX} more alerts reach nobody`, { hint: 'name a contact in default' })]
      : []),
    ...gapProblems(findings, config, placeOf),
  ];
}

/** The alerts that reach nobody as the file says so: `fridge-warm (info)`, each level of each rule on its own. */
export function unreachedOnPurpose(rules: readonly Rule[], directory: DeviceDirectory, config: NotifyConfig): string[] {
  const findings = findingsOf(rules, directory, config).filter(({ end }) => end.kind === 'on purpose');
  return findings.flatMap((finding) => finding.levels.map((level) => `${finding.rule.id} (${level})${subjectsText(finding)}`));
}

function findingsOf(rules: readonly Rule[], directory: DeviceDirectory, config: NotifyConfig): Finding[] {
  const { routes, escalations } = config;
  const gaps = new Gaps(config);
  const subjects = new Subjects(
    rules,
    directory,
    [...routes, ...escalations].map(({ match }) => match),
  );
  return rules.flatMap((rule) => {
    const own = subjects.of(rule);
    const findings = new Map<string, Finding>();
    for (const level of levelsOf(rule)) {
      const ends = own.map((subject) => ({ subject, end: endOf(alertOf(rule, level, subject), config, gaps) }));
      for (const [key, group] of Map.groupBy(ends, ({ end }) => JSON.stringify(end))) {
        const found = group.map(({ subject }) => subject);
        const end = group[0]?.end;
        if (end === undefined || end.kind === 'reached') continue;
        const whole = `${key} ${found.map(({ device }) => device).join('\n')}`;
        const known = findings.get(whole);
        if (known !== undefined) known.levels.push(level);
        else findings.set(whole, { rule, levels: [level], end, subjects: found, isWhole: found.length === own.length });
      }
    }
    return [...findings.values()];
  });
}

/** What its alert can fire at, its silence included. */
function levelsOf({ levels, noData }: Rule): Level[] {
  const raised = noData !== null && 'raise' in noData.action ? [noData.action.raise] : [];
  return [...new Set([...levels.map(({ level }) => level), ...raised])].sort((a, b) => levelRank(a) - levelRank(b));
}

/** As far as a match looks at it. */
function alertOf(rule: Rule, level: Level, { device, labels }: Subject): Alert {
  const since = 0;
  const nothing = { state: 'firing', flags: [], since, firedAt: since, resolvedAt: null, value: null, summary: '' } as const;
  return { id: '', rule: rule.id, device, level, labels, ...nothing };
}

function endOf(alert: Alert, { routes, default: fallback, escalations }: NotifyConfig, gaps: Gaps): End {
  const told = new Set<string>();
  let isRouted = false;
  for (const route of routes) {
    if (!matches(route.match, alert)) continue;
    isRouted = true;
    for (const id of route.to) told.add(id);
    if (!route.continue) break;
  }
  if (!isRouted) for (const id of fallback.to) told.add(id);
  // Who is told later, as nobody acknowledged, is told.
  const steps = escalations.filter(({ match }) => matches(match, alert)).flatMap((escalation) => escalation.steps);
  for (const { to } of steps) for (const id of to) told.add(id);
  if (told.size === 0) return { kind: isRouted ? 'on purpose' : 'no route' };
  const to = [...told].sort();
  const gap = gaps.of(to);
  return gap === null ? { kind: 'reached' } : { kind: 'gap', gap, to };
}

function unroutedProblem(finding: Finding): TocsinError {
  const { rule, levels } = finding;
  const level = levels.length === levelsOf(rule).length ? '' : `, level: ${levels.length === 1 ? levels[0] : `[${levels.join(', ')}]`}`;
  const hint = `add a route that matches {rule: ${rule.id}${level}}, with to: [] if that is meant; or name a contact in default`;
  const message = `${alertText(finding)} reaches nobody: no route matches it, and default tells nobody`;
  return new TocsinError(message, { place: renderPlace(rule.place), hint });
}

/** Where somebody should be on call and is not: one problem for the contacts, whatever alerts go to them. */
function gapProblems(findings: readonly Finding[], { contacts, routes }: NotifyConfig, placeOf: PlaceOf | undefined): TocsinError[] {
  const found = findings.flatMap((finding) => (finding.end.kind === 'gap' ? [{ ...finding.end, finding }] : []));
  const byContacts = Map.groupBy(found, ({ to }) => to.join('\n'));
  return [...byContacts.values()].flatMap((alike) => {
    const [first] = alike;
    if (first === undefined) return [];
    const { gap, to } = first;
    const alerts = [...new Set(alike.map(({ finding }) => alertText(finding)))];
    const channelless = contacts.find(({ id, channels, onCall }) => to.includes(id) && channels.length === 0 && onCall === null);
    const route = routes.find((candidate) => candidate.to.some((id) => to.includes(id)));
    const about =
      channelless?.id ?? to.find((id) => contacts.some((contact) => contact.id === id && contact.onCall !== null)) ?? to[0] ?? '';
    const place = placeOf?.(['contacts', about], 'key') ?? (route === undefined ? undefined : renderPlace(route.place));
    const reason =
      gap.always && channelless !== undefined ? `${about} has no channel` : `nobody is on call as ${to.join(' or ')} ${gapText(gap)}`;
    const hint =
      gap.always && channelless !== undefined
        ? `give it one: ${about}: {email: name@example.org}`
        : `add an entry without a schedule at the end of onCall, such as {to: ID}; or name somebody beside ${about}`;
    const message = `${reason}: ${shortened(alerts)} ${alerts.length === 1 ? 'reaches' : 'reach'} nobody then`;
    return [new TocsinError(message, place === undefined ? { hint } : { place, hint })];
  });
}

/** Routes whose mute never ends: what they keep back is never summed up. */
function neverOpen(config: NotifyConfig, placeOf: PlaceOf | undefined): TocsinError[] {
  const gaps = new Gaps(config);
  const fallback = { ...config.default, place: placeOf?.(['default'], 'key') };
  const all = [...config.routes.map((route) => ({ ...route, place: renderPlace(route.place) })), fallback];
  return all.flatMap(({ place, active, muted, to }) => {
    if (to.length === 0 || gaps.isEverOpen({ active, muted })) return [];
    const said = [active === null ? '' : `active: ${active}`, muted === null ? '' : `muted: ${muted}`].filter((text) => text !== '');
    const hint = 'leave a time at which it is active and not muted; to: [] if nobody is meant';
    return [new TocsinError(`this route is muted at all times (${said.join(', ')})`, place === undefined ? { hint } : { place, hint })];
  });
}

/** `fridge-warm (warning, critical) on fridge-01 and 3 more` */
const alertText = (finding: Finding): string => `${finding.rule.id} (${finding.levels.join(', ')})${subjectsText(finding)}`;

function subjectsText({ subjects, isWhole, rule }: Finding): string {
  if (isWhole) return '';
  const listed = subjects.filter(({ devices }) => devices !== null);
  const count = rule.by.length > 0 ? listed.length : listed.reduce((sum, { devices }) => sum + (devices ?? 0), 0);
  const names = shortened(
    listed.map(({ device }) => device),
    count,
  );
  const others = listed.length === subjects.length ? '' : 'devices that the fleet file does not list';
  return ` on ${[names, others].filter((text) => text !== '').join(', and on ')}`;
}

/** @param count how many there are, when that is more than are named */
function shortened(names: readonly string[], count = names.length): string {
  const shown = names.slice(0, NAMES_MAX);
  const more = count - shown.length;
  if (more > 0) return `${shown.join(', ')} and ${more} more`;
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}` : (shown[0] ?? '');
}
