/** `fleet.yaml`: the devices that are known by name, groups of them with limits of their own, and what becomes of other devices. */
import * as z from 'zod';
import { type DeviceDirectory, type DeviceGroup, type FleetDevice, type Profile, SELF } from '../domain/device.ts';
import { TocsinError } from '../std/errors.ts';
import { nearest, problemsOf, refuse, strictObject, whenMissing } from '../std/form.ts';
import { written } from '../std/json-schema.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { NAME_LENGTH_MAX, nameProblem } from './interning.ts';

const id = written(
  z.string(whenMissing('give it a name: {id: some-name}')).transform((value, context) => {
    const problem = nameProblem(value) ?? (/[+#]/.test(value) ? 'a device may be in a topic: no + or #' : null);
    return problem === null ? value : refuse(context, problem);
  }),
  { pattern: '^[^+#]+$', maxLength: NAME_LENGTH_MAX },
);
/** A journal batch has one byte for their number. */
const LABELS_MAX = 100;
const labels = written(
  z
    .record(z.string(), z.string())
    .nullable()
    .default({})
    .refine((value) => Object.keys(value ?? {}).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`),
  { maxProperties: LABELS_MAX },
);
const limits = z.record(z.string(), z.number());

const deviceId = written(
  id.transform((value, context) =>
    value === SELF
      ? refuse(context, `${SELF} is the device as which Tocsin tells of itself`, 'give this device another id; its topic changes with it')
      : value,
  ),
  { type: 'string', pattern: '^[^+#]+$', maxLength: NAME_LENGTH_MAX, not: { const: SELF } },
);

const device = strictObject({
  id: deviceId.describe('The device’s id: the level of its topic that {device} stands for.'),
  profile: z.string().optional().describe('Its profile, whatever topic it uses. Left out, the profile whose topic matches.'),
  labels: labels.describe('For selectors of rules, routes, groups, and for InfluxDB’s tags.').meta({ examples: [{ site: 'berlin' }] }),
  limits: limits.nullable().default({}).describe('Instead of the limits of its profile and its groups.'),
  dependsOn: id
    .optional()
    .describe('The device that it is reached through, such as a gateway: while that one is silent, this one’s silence raises nothing.'),
});

const group = strictObject({
  id: id.describe('The name of the group.'),
  devices: strictObject(
    {
      profile: z.string().optional().describe('Devices of this profile.'),
      labels: labels.describe('Devices with all of these labels.'),
    },
    'say which devices: {profile: …, labels: {site: …}}; {} is every device',
  ).describe('Which devices are in it. All that is given must match; {} is every device.'),
  limits: z
    .record(z.string(), z.number(), whenMissing('a group is there to change limits'))
    .describe('Instead of the limits of the profile; a device’s own limits come before these, and of two groups the later one counts.'),
});

/** `devices/fleet.yaml`. */
export const fleetForm = strictObject({
  devices: z.array(device).nullable().default([]).describe('The devices known by name. A device need not be listed.'),
  groups: z.array(group).nullable().default([]).describe('Devices that share limits.'),
  unknown: z
    .enum(['accept', 'quarantine', 'reject'])
    .default('accept')
    .describe('What becomes of the readings of a device that is not listed: reject acknowledges and counts them, and keeps nothing.'),
});

export type Fleet = Pick<DeviceDirectory, 'fleet' | 'groups' | 'unknown'>;

export const NO_FLEET: Fleet = { fleet: [], groups: [], unknown: 'accept' };

/** @param profiles the profiles that a device may name */
export function parseFleet(
  source: { path: string; text: string },
  profiles: readonly Profile[],
): { fleet: Fleet; problems: TocsinError[] } {
  const { file, problems } = parseYaml(source);
  if (file === null) return { fleet: NO_FLEET, problems };
  const checked = fleetForm.safeParse(file.value ?? {});
  if (!checked.success) return { fleet: NO_FLEET, problems: problemsOf(checked.error, file.value, file.place) };
  const devices = (checked.data.devices ?? []).map(
    (given): FleetDevice => ({
      id: given.id,
      profile: given.profile ?? null,
      labels: given.labels ?? {},
      limits: given.limits ?? {},
      dependsOn: given.dependsOn ?? null,
    }),
  );
  const groups = (checked.data.groups ?? []).map(
    (given): DeviceGroup => ({
      id: given.id,
      profile: given.devices.profile ?? null,
      labels: given.devices.labels ?? {},
      limits: given.limits,
    }),
  );
  const mistakes = [
    ...twins('devices', devices, file),
    ...twins('groups', groups, file),
    ...wrongProfiles(devices, groups, { file, profiles }),
    ...wrongDependencies(devices, file),
  ];
  return { fleet: { fleet: devices, groups, unknown: checked.data.unknown }, problems: mistakes };
}

function twins(list: 'devices' | 'groups', entries: readonly { readonly id: string }[], file: YamlFile): TocsinError[] {
  const firstPlace = new Map<string, string>();
  return entries.flatMap((entry, index) => {
    const place = file.place([list, index, 'id']);
    const first = firstPlace.get(entry.id);
    if (first === undefined) firstPlace.set(entry.id, place);
    return first === undefined ? [] : [new TocsinError(`${entry.id} is listed twice`, { place, hint: `first at ${first}` })];
  });
}

/** Profiles that do not exist, and limits that no profile in question has. */
function wrongProfiles(
  devices: readonly FleetDevice[],
  groups: readonly DeviceGroup[],
  { file, profiles }: { file: YamlFile; profiles: readonly Profile[] },
): TocsinError[] {
  const entries: { given: FleetDevice | DeviceGroup; at: PropertyKey[]; profileAt: PropertyKey[] }[] = [
    ...devices.map((given, index) => ({ given, at: ['devices', index], profileAt: ['devices', index, 'profile'] })),
    ...groups.map((given, index) => ({ given, at: ['groups', index], profileAt: ['groups', index, 'devices', 'profile'] })),
  ];
  const byName = new Map(profiles.map((profile) => [profile.name, profile]));
  const limitsOfAny = [...new Set(profiles.flatMap((profile) => Object.keys(profile.limits)))];
  return entries.flatMap(({ given, at, profileAt }) => {
    const profile = given.profile === null ? undefined : byName.get(given.profile);
    if (given.profile !== null && profile === undefined) {
      const names = [...byName.keys()];
      const near = nearest(given.profile, names);
      const known = names.length === 0 ? 'there are no profiles in profiles/' : `known: ${names.join(', ')}`;
      const hint = near === undefined ? known : `did you mean ${near}?`;
      return [new TocsinError(`no profile is called ${given.profile}`, { place: file.place(profileAt), hint })];
    }
    // Which profile a device has that names none shows when it speaks: its limits may be any profile's, like a group's.
    const known = profile === undefined ? limitsOfAny : Object.keys(profile.limits);
    const unknown = Object.keys(given.limits).filter((limit) => !known.includes(limit));
    return unknown.map((limit) => {
      const near = nearest(limit, known);
      const hint = near === undefined ? `add it to the limits of ${profile?.name ?? 'a profile'} first` : `did you mean ${near}?`;
      const message = profile === undefined ? `no profile has a limit ${limit}` : `${profile.name} has no limit ${limit}`;
      return new TocsinError(message, { place: file.place([...at, 'limits', limit], 'key'), hint });
    });
  });
}

/** Circles, once each. A gateway need not be listed: one that publishes nothing itself is known by what depends on it. */
function wrongDependencies(devices: readonly FleetDevice[], file: YamlFile): TocsinError[] {
  const byId = new Map(devices.map((device) => [device.id, device]));
  const order = new Map(devices.map((device, index) => [device.id, index]));
  const place = (device: string): string => file.place(['devices', order.get(device) ?? 0, 'dependsOn']);
  return circlesIn(byId, order).map((circle) => {
    const [first = ''] = circle;
    if (circle.length === 1)
      return new TocsinError(`${first} depends on itself`, { place: place(first), hint: 'name the gateway it is reached through' });
    const message = `devices depend on each other in a circle: ${[...circle, first].join(' → ')}`;
    return new TocsinError(message, { place: place(first), hint: 'leave dependsOn out at one of them' });
  });
}

/** Each circle of `dependsOn` once, beginning at its first device in the order of the list. */
function circlesIn(byId: ReadonlyMap<string, FleetDevice>, order: ReadonlyMap<string, number>): string[][] {
  const circles: string[][] = [];
  const settled = new Set<string>();
  for (const start of byId.keys()) {
    const way = new Set<string>();
    let next: string | null | undefined = start;
    while (next != null && !settled.has(next) && !way.has(next)) {
      way.add(next);
      next = byId.get(next)?.dependsOn;
    }
    for (const passed of way) settled.add(passed);
    if (next == null || !way.has(next)) continue;
    const steps = [...way];
    const circle = steps.slice(steps.indexOf(next));
    const places = circle.map((device) => order.get(device) ?? 0);
    const from = places.indexOf(Math.min(...places));
    circles.push([...circle.slice(from), ...circle.slice(0, from)]);
  }
  return circles;
}
