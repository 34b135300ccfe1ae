/** A fleet, its rules and who is told, from a seed. Schedules are in UTC, so that the oracle can tell them by arithmetic. */
import type { Level } from '../../../src/domain/alert.ts';
import { LEVELS } from '../../../src/domain/alert.ts';
import type { Contact, Schedule } from '../../../src/domain/notification.ts';
import type { AlertMatch } from '../../../src/domain/operation.ts';
import type { Rule } from '../../../src/domain/rule.ts';
import type { Escalation, Grouping, Inhibition, NotifyConfig, Route } from '../../../src/notify/notify-config.ts';
import { rule as anyRule } from '../fixtures.ts';
import type { Dice } from './dice.ts';

export interface Device {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}
export interface Fleet {
  readonly devices: readonly Device[];
  readonly rules: readonly Rule[];
}

const SITES = ['berlin', 'ulm', 'kiel'];
const MINUTE_MS = 60_000;

export function randomFleet(dice: Dice): Fleet {
  const count = dice.pick([6, 30, 30, 410]);
  const gateways = dice.int(1, 5);
  const devices = Array.from({ length: count }, (_, index): Device => {
    const gateway = index % gateways;
    const site = SITES[gateway % SITES.length] ?? 'berlin';
    return { id: `d${index}`, labels: { gateway: `gw-${gateway}`, ...(index % 7 !== 3 && { site }) } };
  });
  // Of rules the fleet has fewer where it is large: no message is to tell of more alerts than fit into it.
  const rules = Array.from({ length: count > 100 ? 1 : dice.int(2, 4) }, (_, index): Rule => {
    const flapping = dice.chance(0.75) ? { changes: dice.int(3, 7), inMs: dice.pick([5, 10, 30]) * MINUTE_MS } : null;
    return { ...anyRule, id: `r${index}`, flapping, labels: { team: index % 2 === 0 ? 'a' : 'b' } };
  });
  return { devices, rules };
}

export function randomMatch(dice: Dice, { devices, rules }: Fleet): AlertMatch {
  const everything: AlertMatch = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
  const what = dice.weighted({ levels: 4, rules: 3, devices: 1, glob: 1, site: 2, gateway: 2, both: 2 });
  const device = dice.pick(devices);
  const levels: Level[] = dice.chance(0.6) ? ['critical'] : dice.some(LEVELS, 1, 2);
  if (what === 'levels') return { ...everything, levels };
  if (what === 'rules') return { ...everything, rules: [dice.pick(rules).id] };
  if (what === 'devices') return { ...everything, devices: dice.some(devices, 1, 3).map(({ id }) => id) };
  if (what === 'glob') return { ...everything, devices: [`d${dice.int(0, 3)}*`] };
  if (what === 'site') return { ...everything, labels: { site: [dice.pick([...SITES, ''])] } };
  if (what === 'gateway') return { ...everything, labels: { gateway: [device.labels.gateway ?? ''] } };
  return { ...everything, levels, rules: [dice.pick(rules).id] };
}

export function randomConfig(dice: Dice, fleet: Fleet): NotifyConfig {
  const people = dice.some(['ann', 'bob', 'cem', 'dee', 'eva'], 2, 5);
  const schedules = randomSchedules(dice);
  const onCall = randomOnCall(dice, people, schedules);
  const contacts = [...people.map((id) => person(dice, id)), ...onCall];
  const names = contacts.map(({ id }) => id);
  const routes = Array.from({ length: dice.int(0, 4) }, (_, index): Route => {
    const place = { file: 'notify.yaml', line: index + 1, column: 1 };
    const to = dice.some(names, dice.chance(0.1) ? 0 : 1, 3);
    return { place, match: randomMatch(dice, fleet), to, continue: dice.chance(0.3), ...randomGrouping(dice, schedules) };
  });
  return {
    contacts,
    routes,
    default: { to: dice.some(names, dice.chance(0.1) ? 0 : 1, 3), ...randomGrouping(dice, schedules) },
    schedules,
    inhibitions: dice.chance(0.5) ? Array.from({ length: dice.int(1, 2) }, () => randomInhibition(dice, fleet)) : [],
    escalations: dice.chance(0.6) ? Array.from({ length: dice.int(1, 2) }, () => randomEscalation(dice, fleet, names)) : [],
    storm: dice.chance(0.7) ? { after: dice.int(5, 20), inMs: dice.pick([10_000, MINUTE_MS, 3 * MINUTE_MS]) } : null,
    limits: dice.chance(0.6) ? { perHour: dice.pick([2, 4, 10, 40]) } : null,
  };
}

function person(dice: Dice, id: string): Contact {
  const email = { kind: 'email', address: `${id}@example.org` } as const;
  const hook = { kind: 'mqtt', address: `tocsin/${id}`, retain: false } as const;
  return { id, channels: dice.chance(0.6) ? [email] : dice.chance(0.5) ? [email, hook] : [hook, email], onCall: null };
}

function randomSchedules(dice: Dice): Schedule[] {
  const everyDay = [1, 2, 3, 4, 5, 6, 7];
  const windows = [
    { days: everyDay, fromMinute: 22 * 60, toMinute: 6 * 60 },
    { days: [1, 2, 3, 4, 5], fromMinute: 8 * 60, toMinute: 17 * 60 },
    { days: everyDay, fromMinute: dice.int(0, 1300), toMinute: dice.int(1301, 1440) },
    { days: dice.some(everyDay, 2, 5), fromMinute: dice.int(700, 1439), toMinute: dice.int(0, 600) },
  ];
  return dice.some(windows, 1, 3).map((window, index) => ({ id: `s${index}`, zone: 'UTC', windows: [window] }));
}

function randomOnCall(dice: Dice, people: readonly string[], schedules: readonly Schedule[]): Contact[] {
  const contacts: Contact[] = [];
  if (dice.chance(0.5)) {
    const rotation = { zone: 'UTC', start: '2026-01-05', handoverMinute: dice.int(0, 1439), everyDays: dice.int(1, 3) };
    contacts.push({ id: 'rota', channels: [], onCall: { kind: 'rotation', ...rotation, of: dice.some(people, 1, 3) } });
  }
  if (dice.chance(0.5)) {
    const entries = dice.some(schedules, 1, 2).map(({ id }) => ({ schedule: id, to: dice.pick(people) }));
    const last = dice.chance(0.7) ? [{ schedule: null, to: dice.pick([...people, ...contacts.map(({ id }) => id)]) }] : [];
    contacts.push({ id: 'duty', channels: [], onCall: { kind: 'schedules', entries: [...entries, ...last] } });
  }
  return contacts;
}

function randomGrouping(dice: Dice, schedules: readonly Schedule[]): Grouping {
  const groupBy = dice.pick([
    ['rule', 'device'],
    ['rule', 'device'],
    ['rule'],
    ['device'],
    ['labels.site'],
    ['labels.gateway', 'rule'],
    ['level'],
    [],
  ]);
  const waits = [0, 10_000, 30_000, 2 * MINUTE_MS];
  const schedule = dice.chance(0.25) ? dice.pick(schedules).id : null;
  const isActive = dice.chance(0.5);
  return {
    groupBy,
    groupWaitMs: { critical: dice.chance(0.8) ? 0 : dice.pick(waits), warning: dice.pick(waits), info: dice.pick(waits) },
    groupIntervalMs: dice.pick([1, 5, 15]) * MINUTE_MS,
    repeatIntervalMs: dice.chance(0.2) ? null : dice.pick([20, 60, 240]) * MINUTE_MS,
    sendResolved: dice.chance(0.8),
    active: isActive ? schedule : null,
    muted: isActive ? null : schedule,
  };
}

function randomInhibition(dice: Dice, fleet: Fleet): Inhibition {
  const equal = dice.pick([['labels.site'], ['device'], ['labels.gateway'], ['rule']]);
  return { source: randomMatch(dice, fleet), target: randomMatch(dice, fleet), equal };
}

function randomEscalation(dice: Dice, fleet: Fleet, names: readonly string[]): Escalation {
  let afterMs = 0;
  const steps = Array.from({ length: dice.int(1, 3) }, () => {
    afterMs += dice.pick([1, 5, 10, 30]) * MINUTE_MS;
    return { afterMs, to: dice.some(names, 1, 2) };
  });
  return { match: randomMatch(dice, fleet), steps, loop: dice.chance(0.2) };
}
