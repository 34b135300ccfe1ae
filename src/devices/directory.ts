/** The devices folder: `profiles/*.yaml` and `fleet.yaml`, read together, every problem at once. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceDirectory } from '../domain/device.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { scriptReader } from './codecs/script-file.ts';
import { NO_FLEET, parseFleet } from './fleet.ts';
import { type ParsedProfile, parseProfile } from './profile.ts';
import { isTie, parseTemplate } from './template.ts';

/** @param folder as it shall stand in front of errors. Both parts may be missing: then there are no profiles, or no fleet. */
export function loadDirectory(folder: string): { directory: DeviceDirectory; problems: TocsinError[] } {
  const problems: TocsinError[] = [];
  const parsed: ParsedProfile[] = [];
  for (const path of profilePaths(folder, problems)) {
    const text = readText(path, problems);
    if (text === null) continue;
    const result = parseProfile({ path, text }, scriptReader(folder, path));
    problems.push(...result.problems);
    if (result.parsed !== null) parsed.push(result.parsed);
  }
  problems.push(...doubleNames(parsed), ...ties(parsed));
  // The fleet's mistakes are told against every profile that could be read: one bad profile is not reported again as missing.
  const profiles = parsed.map(({ profile }) => profile);
  const fleetPath = join(folder, 'fleet.yaml');
  const fleetText = readText(fleetPath, problems, 'may be missing');
  const profilesAreWhole = problems.length === 0;
  const { fleet, problems: fleetProblems } =
    fleetText === null ? { fleet: NO_FLEET, problems: [] } : parseFleet({ path: fleetPath, text: fleetText }, profiles);
  problems.push(...fleetProblems.filter((problem) => profilesAreWhole || !problem.message.startsWith('no profile ')));
  return { directory: { profiles, ...fleet }, problems };
}

function profilePaths(folder: string, problems: TocsinError[]): string[] {
  try {
    readdirSync(folder);
  } catch (cause) {
    problems.push(
      new TocsinError(`cannot read the devices folder: ${messageOf(cause)}`, {
        place: folder,
        hint: 'see `devices:` in the config',
        cause,
      }),
    );
    return [];
  }
  try {
    const names = readdirSync(join(folder, 'profiles')).filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'));
    return names.sort().map((name) => join(folder, 'profiles', name));
  } catch (cause) {
    if (!isMissing(cause))
      problems.push(new TocsinError(`cannot read the profiles: ${messageOf(cause)}`, { place: join(folder, 'profiles'), cause }));
    return [];
  }
}

function readText(path: string, problems: TocsinError[], missing?: 'may be missing'): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (missing === undefined || !isMissing(cause))
      problems.push(new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path, cause }));
    return null;
  }
}

const isMissing = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';

function doubleNames(parsed: readonly ParsedProfile[]): TocsinError[] {
  const places = new Map<string, string>();
  return parsed.flatMap(({ profile, file }) => {
    const place = file.place(['profile']);
    const first = places.get(profile.name);
    if (first === undefined) places.set(profile.name, place);
    return first === undefined
      ? []
      : [new TocsinError(`a second profile is called ${profile.name}`, { place, hint: `the first is at ${first}` })];
  });
}

/** Two profiles, one topic that either could claim, and no more literal levels in one than in the other. */
function ties(parsed: readonly ParsedProfile[]): TocsinError[] {
  const claims = parsed.flatMap(({ profile, file }) =>
    profile.topics.flatMap((text, index) => {
      const template = parseTemplate(text);
      const value = file.value;
      const isList = typeof value === 'object' && value !== null && 'topic' in value && Array.isArray(value.topic);
      return typeof template === 'string' ? [] : [{ profile, template, place: file.place(isList ? ['topic', index] : ['topic']) }];
    }),
  );
  const problems: TocsinError[] = [];
  for (const [index, claim] of claims.entries()) {
    const other = claims
      .slice(0, index)
      .find((earlier) => earlier.profile.name !== claim.profile.name && isTie(earlier.template, claim.template));
    if (other === undefined) continue;
    problems.push(
      new TocsinError(`${claim.template.text} also matches topics of the profile ${other.profile.name}, which has ${other.template.text}`, {
        place: claim.place,
        hint: `the other stands at ${other.place}; leave the topic out of one of them and name its devices in fleet.yaml`,
      }),
    );
  }
  return problems;
}
