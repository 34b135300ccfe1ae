/**
 * What is built in, put beside what users wrote: the profile of Tocsin's own device, its rules, and the route that tells of
 * channels that fail. So all of it is compiled, evaluated, told, shown and explained as anything else is.
 */
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import { GROUPING, type NotifyConfig, type Route } from '../notify/notify-config.ts';
import { selfProfile } from './self-profile.ts';
import { BUILT_IN, selfRules, UNREACHED_RULES } from './self-rules.ts';

/** The profile is there without the readings, too: a user's rule that names it is no error then, it only never fires. */
export function withSelfProfile(directory: DeviceDirectory, everyMs: number | null): DeviceDirectory {
  return { ...directory, profiles: [...directory.profiles, selfProfile(everyMs)] };
}

/** A user's rule of the same id takes the place of the built-in one. */
export function withSelfRules(rules: readonly Rule[], everyMs: number | null): readonly Rule[] {
  const taken = new Set(rules.map(({ id }) => id));
  return everyMs === null ? rules : [...rules, ...selfRules(everyMs).filter(({ id }) => !taken.has(id))];
}

/** Everybody who can be told at all is told that somebody cannot: whoever is reached can act. The other routes are asked as well. */
export function withSelfRoute(notify: NotifyConfig, everyMs: number | null): NotifyConfig {
  const to = notify.contacts.filter(({ channels }) => channels.length > 0).map(({ id }) => id);
  if (everyMs === null || to.length === 0) return notify;
  const route: Route = {
    ...GROUPING,
    place: { file: BUILT_IN, line: 0, column: 0 },
    match: { levels: null, rules: [...UNREACHED_RULES], devices: null, alerts: null, labels: {} },
    to,
    continue: true,
  };
  return { ...notify, routes: [route, ...notify.routes] };
}
