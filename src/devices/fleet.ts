/** `fleet.yaml`: the devices that are known by name, and what becomes of the others. */
import * as z from 'zod';
import type { DeviceDirectory, FleetDevice, Profile } from '../domain/device.ts';
import { TocsinError } from '../std/errors.ts';
import { nearest, problemsOf, refuse, strictObject } from '../std/form.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { nameProblem } from './interning.ts';

const id = z.string().transform((value, context) => {
  const problem = nameProblem(value) ?? (/[/+#]/.test(value) ? 'a device is one level of a topic: no / + or #' : null);
  return problem === null ? value : refuse(context, problem);
});
/** A journal batch has one byte for their number. */
const LABELS_MAX = 100;
const labels = z
  .record(z.string(), z.string())
  .nullable()
  .default({})
  .refine((value) => Object.keys(value ?? {}).length <= LABELS_MAX, `at most ${LABELS_MAX} labels`);

const form = strictObject({
  devices: z
    .array(
      strictObject({
        id,
        profile: z.string().optional(),
        labels,
        limits: z.record(z.string(), z.number()).nullable().default({}),
        dependsOn: id.optional(),
      }),
    )
    .nullable()
    .default([]),
  unknown: z.enum(['accept', 'quarantine', 'reject']).default('accept'),
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
  const checked = form.safeParse(file.value ?? {});
  if (!checked.success) return { fleet: NO_FLEET, problems: problemsOf(checked.error, file.value, file.place) };
  const fleet = (checked.data.devices ?? []).map(
    (device): FleetDevice => ({
      id: device.id,
      profile: device.profile ?? null,
      labels: device.labels ?? {},
      limits: device.limits ?? {},
      dependsOn: device.dependsOn ?? null,
    }),
  );
  return { fleet: { fleet, groups: [], unknown: checked.data.unknown }, problems: mistakesIn(fleet, file, profiles) };
}

function mistakesIn(fleet: readonly FleetDevice[], file: YamlFile, profiles: readonly Profile[]): TocsinError[] {
  const problems: TocsinError[] = [];
  const profileByName = new Map(profiles.map((profile) => [profile.name, profile]));
  const firstPlace = new Map<string, string>();
  for (const [index, device] of fleet.entries()) {
    const place = (...at: PropertyKey[]) => file.place(['devices', index, ...at], at.length > 1 ? 'key' : 'value');
    const first = firstPlace.get(device.id);
    if (first !== undefined)
      problems.push(new TocsinError(`${device.id} is listed twice`, { place: place('id'), hint: `first at ${first}` }));
    else firstPlace.set(device.id, place('id'));
    if (device.dependsOn === device.id) {
      problems.push(
        new TocsinError(`${device.id} depends on itself`, { place: place('dependsOn'), hint: 'name the gateway it is reached through' }),
      );
    }
    if (device.profile === null) continue;
    const profile = profileByName.get(device.profile);
    if (profile === undefined) {
      const names = [...profileByName.keys()];
      const near = nearest(device.profile, names);
      const known = names.length === 0 ? 'there are no profiles in profiles/' : `known: ${names.join(', ')}`;
      problems.push(
        new TocsinError(`no profile is called ${device.profile}`, {
          place: place('profile'),
          hint: near === undefined ? known : `did you mean ${near}?`,
        }),
      );
      continue;
    }
    for (const limit of Object.keys(device.limits)) {
      if (Object.hasOwn(profile.limits, limit)) continue;
      const near = nearest(limit, Object.keys(profile.limits));
      const hint = near === undefined ? `add it to the limits of ${profile.name} first` : `did you mean ${near}?`;
      problems.push(new TocsinError(`${profile.name} has no limit ${limit}`, { place: place('limits', limit), hint }));
    }
  }
  return problems;
}
