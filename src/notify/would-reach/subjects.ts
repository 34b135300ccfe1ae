/**
 * Whom a rule's alerts can be about, as far as routes can tell them apart: devices of the fleet that no match and no selector
 * distinguishes stand for each other, so that a fleet of a hundred thousand is as quick to look at as its labels are few. A
 * device that is not listed, and a label that a topic gives, may be anything: one stands for what nobody has thought of.
 */
import type { DeviceDirectory, FleetDevice, Profile } from '../../domain/device.ts';
import type { AlertMatch } from '../../domain/operation.ts';
import type { Rule, Selector } from '../../domain/rule.ts';
import { matchesGlob } from '../matching.ts';

/** What an alert of the rule is about. */
export interface Subject {
  /** As in the alert: the device, or the group's name. */
  readonly device: string;
  /** The rule's labels over the device's. */
  readonly labels: Readonly<Record<string, string>>;
  /** How many devices of the fleet it stands for; null: devices that are not listed. */
  readonly devices: number | null;
}

/** An id, or the value of a label, that stands in no file. */
const ANYTHING = '…';
const ARE_NO_LABELS = ['device', 'metric'];

interface Candidate {
  readonly id: string;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Null: not listed. */
  devices: number | null;
}

export class Subjects {
  readonly #directory: DeviceDirectory;
  readonly #listed: readonly Candidate[];
  readonly #ids: ReadonlySet<string>;

  constructor(rules: readonly Rule[], directory: DeviceDirectory, matches: readonly AlertMatch[]) {
    this.#directory = directory;
    this.#ids = new Set(directory.fleet.map(({ id }) => id));
    this.#listed = alikeOnce(rules, directory, matches);
  }

  of(rule: Rule): Subject[] {
    const all = [...this.#listed, ...this.#unlisted(rule.selector)];
    const candidates = all.flatMap((candidate) => selected(rule.selector, candidate) ?? []);
    if (rule.by.length > 0) return groupsOf(rule, candidates);
    return candidates.map(({ id, labels, devices }) => ({ device: id, labels: { ...labels, ...rule.labels }, devices }));
  }

  /** Devices that nobody has listed, of each profile that the selector allows: with the labels that one of its topics gives. */
  #unlisted({ profile: wanted, id: glob }: Selector): Candidate[] {
    // What stands for any id must not be the id of a device that is listed.
    const id = (glob ?? '*').replace(/[*?]/g, ANYTHING);
    if (this.#directory.unknown !== 'accept' || this.#ids.has(id)) return [];
    const none: Candidate[] = wanted === null ? [{ id, profile: null, labels: {}, devices: null }] : [];
    const ofProfiles = this.#directory.profiles
      .filter(({ name }) => wanted === null || name === wanted)
      .flatMap(({ name, topics }) => topics.map((topic): Candidate => ({ id, profile: name, labels: anyLabels([topic]), devices: null })));
    return [...none, ...ofProfiles];
  }
}

/** The fleet, with one device for all that nothing tells apart. */
function alikeOnce(rules: readonly Rule[], { fleet, profiles }: DeviceDirectory, matches: readonly AlertMatch[]): Candidate[] {
  const names = [...matches.flatMap(({ devices }) => devices ?? []), ...rules.flatMap(({ selector: { id } }) => (id === null ? [] : [id]))];
  const globs = [...new Set(names.filter((name) => /[*?]/.test(name)))];
  const literals = new Set(names);
  const asked = [...matches, ...rules.map(({ selector }) => selector)].flatMap(({ labels }) => Object.keys(labels));
  const labelNames = [...new Set([...asked, ...rules.flatMap(({ by }) => by)])];
  const byName = new Map(profiles.map((profile) => [profile.name, profile]));
  const alike = new Map<string, Candidate>();
  for (const device of fleet) {
    const labels = withTopicLabels(device, byName.get(device.profile ?? ''));
    const key = JSON.stringify([
      device.profile,
      labelNames.map((name) => (Object.hasOwn(labels, name) ? labels[name] : null)),
      globs.map((glob) => matchesGlob(glob, device.id)),
      literals.has(device.id) ? device.id : null,
    ]);
    const known = alike.get(key);
    if (known === undefined) alike.set(key, { id: device.id, profile: device.profile, labels, devices: 1 });
    else known.devices = (known.devices ?? 0) + 1;
  }
  return [...alike.values()];
}

/** What the fleet file gives goes before what the topic does. */
function withTopicLabels({ labels }: FleetDevice, profile: Profile | undefined): Record<string, string> {
  return { ...anyLabels(profile?.topics ?? []), ...labels };
}

/** What the topics give besides the device and the metric. */
function anyLabels(topics: readonly string[]): Record<string, string> {
  const names = topics.flatMap((topic) => [...topic.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => name));
  return Object.fromEntries(names.filter((name) => !ARE_NO_LABELS.includes(name)).map((name) => [name, ANYTHING]));
}

/** The device as far as the rule is for it: what may be anything is what the selector asks for. Null: it is not for it. */
function selected({ profile, id, labels }: Selector, device: Candidate): Candidate | null {
  if (profile !== null && device.profile !== profile) return null;
  if (id !== null && !matchesGlob(id, device.id)) return null;
  const own = (name: string): string | undefined => (Object.hasOwn(device.labels, name) ? device.labels[name] : undefined);
  const fits = Object.entries(labels).every(([name, value]) => own(name) === value || own(name) === ANYTHING);
  return fits ? { ...device, labels: { ...device.labels, ...labels } } : null;
}

/** One for each group; a device that lacks one of the labels is in none. */
function groupsOf({ by, labels: own }: Rule, members: readonly Candidate[]): Subject[] {
  const groups = new Map<string, Subject>();
  for (const { labels, devices } of members) {
    if (!by.every((name) => Object.hasOwn(labels, name))) continue;
    const values = by.map((name): [string, string] => [name, labels[name] ?? '']);
    const device = values.map(([name, value]) => `${name}=${value}`).join(',');
    const known = groups.get(device)?.devices ?? null;
    const isListed = known !== null || devices !== null;
    groups.set(device, {
      device,
      labels: { ...Object.fromEntries(values), ...own },
      devices: isListed ? (known ?? 0) + (devices ?? 0) : null,
    });
  }
  return [...groups.values()];
}
