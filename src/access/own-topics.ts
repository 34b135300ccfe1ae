/**
 * Which topics are a device's own: those that name it where a profile or a built-in format has `{device}`, and whatever is below that
 * level. Below them it publishes and subscribes, and nowhere else.
 *
 * A topic that names another device is never its own, even below one that is (`ruuvi/{gateway}/{device}` below `ruuvi/{device}`). Nor is
 * one whose messages name devices themselves, unless the fleet file gives the device that very profile: it is a gateway then.
 */
import { BUILT_IN_ONLY } from '../devices/codecs/codecs.ts';
import type { Learned } from '../devices/decoders/format.ts';
import { namesDevices, Router } from '../devices/routing.ts';
import { parseTemplate, type TopicTemplate } from '../devices/template.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import { covers, matchesTopic, type TopicFilter } from './topic-filter.ts';

/** Commands to Tasmota's devices; and ThingsBoard's topics of a device, in which `me` is the one who publishes. */
const OTHERS = ['cmnd/{device}', 'v1/devices/me'];
const ME = 'v1/devices/me/#';
const NOTHING_LEARNED: Learned = { get: () => undefined, set: () => false, describe: () => undefined };

interface Prefix {
  /** Up to `{device}`, which is null here; any other capture is `+`. */
  readonly levels: readonly (string | null)[];
  /** The profile whose devices speak there; null: any device may. */
  readonly profile: string | null;
  /** Only what the fleet file gives the profile by name may speak there. */
  readonly isForListed: boolean;
}

export class OwnTopics {
  readonly #prefixes: readonly Prefix[];
  readonly #router: Router;
  readonly #profiles: ReadonlyMap<string, string | null>;

  constructor(directory: DeviceDirectory) {
    this.#router = new Router(directory, { devicesMax: 0, learned: NOTHING_LEARNED, codecs: BUILT_IN_ONLY });
    this.#profiles = new Map(directory.fleet.map(({ id, profile }) => [id, profile]));
    const prefixes = [
      ...this.#router.candidates.map((candidate) => {
        const { template, profile } = candidate;
        return template.namesDevice && (profile !== null || !namesDevices(candidate))
          ? { levels: prefixOf(template), profile: profile?.profile.name ?? null, isForListed: namesDevices(candidate) }
          : null;
      }),
      ...OTHERS.map((text) => ({ levels: prefixOf(templateOf(text)), profile: null, isForListed: false })),
    ].filter((prefix) => prefix !== null);
    this.#prefixes = [...new Map(prefixes.map((prefix) => [JSON.stringify(prefix), prefix])).values()];
  }

  mayPublish(device: string, topic: string): boolean {
    if (!this.mayRead(device, topic)) return false;
    if (matchesTopic(ME, topic)) return true;
    const way = this.#router.way(topic);
    // What no sensor speaks on is the device's own affair.
    if (way === null) return true;
    if (way.match.device !== device) return false;
    return !namesDevices(way.candidate) || this.#profiles.get(device) === way.candidate.profile?.profile.name;
  }

  mayRead(device: string, topic: string): boolean {
    return this.#filtersOf(device).some((filter) => matchesTopic(filter.join('/'), topic));
  }

  maySubscribe(device: string, filter: string): boolean {
    const levels = filter.split('/');
    return this.#filtersOf(device).some((own) => covers(own, levels));
  }

  #filtersOf(device: string): TopicFilter[] {
    const named = this.#profiles.get(device) ?? null;
    return this.#prefixes
      .filter(({ profile, isForListed }) => profile === null || profile === named || (named === null && !isForListed))
      .map(({ levels }) => [...levels.map((level) => level ?? device), '#']);
  }
}

/** Without `{device}` all of it. */
function prefixOf({ levels }: TopicTemplate): (string | null)[] {
  const at = levels.findIndex((level) => 'capture' in level && level.capture === 'device');
  return levels
    .slice(0, at === -1 ? levels.length : at + 1)
    .map((level) => ('literal' in level ? level.literal : level.capture === 'device' ? null : '+'));
}

function templateOf(text: string): TopicTemplate {
  const template = parseTemplate(text);
  if (typeof template === 'string') throw new Error(`${text}: ${template}`);
  return template;
}
