/** Everything that a run needs to read before it starts, in one place: `check` and `run` cannot disagree about what is valid. */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { substitute } from '../config/substitute.ts';
import { type Config, type ConfigSource, loadConfig } from '../config.ts';
import { codecProblems } from '../devices/codecs/codecs.ts';
import { loadDirectory } from '../devices/directory.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import { type ParsedNotify, parseNotify } from '../notify/config.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import { unreached } from '../notify/would-reach.ts';
import { compileRules } from '../rules/compile.ts';
import { loadRules } from '../rules/parse.ts';
import { withSelfProfile, withSelfRoute, withSelfRules } from '../self/self-configuration.ts';
import { systemClock } from '../std/clock.ts';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';

/** Plain data: each thread compiles the rules for itself. */
export interface Loaded {
  readonly config: Config;
  readonly directory: DeviceDirectory;
  readonly rules: readonly Rule[];
  readonly notify: NotifyConfig;
  /** What is allowed but most likely not meant. */
  readonly warnings: readonly TocsinError[];
}

/** @throws InvalidConfig with every problem of every file */
export async function loadEverything(source: ConfigSource): Promise<Loaded> {
  const config = loadConfig(source);
  const { everyMs } = config.self;
  const { directory: described, problems: deviceProblems } = loadDirectory(shortPath(config.devices));
  const directory = withSelfProfile(described, everyMs);
  deviceProblems.push(...(await codecProblems(described.profiles, systemClock)));
  const { rules: own, problems: ruleProblems } = await loadRules(shortPath(config.rules));
  const rules = withSelfRules(own, everyMs);
  const notify = await loadNotify(shortPath(config.notify), source.env);
  const problems = [...deviceProblems, ...ruleProblems, ...notify.problems];
  // Rules are checked against the profiles: with one of those missing, every rule for it would be called wrong.
  const compiled = deviceProblems.length === 0 ? compileRules(rules, directory) : null;
  if (compiled !== null) problems.push(...compiled.problems);
  if (problems.length > 0 || notify.config === null) throw new InvalidConfig(problems);
  const routed = withSelfRoute(notify.config, everyMs);
  const warnings = [...(compiled?.warnings ?? []), ...unreached(rules, directory, routed, notify.placeOf)];
  return { config, directory, rules, notify: routed, warnings };
}

async function loadNotify(path: string, env: ConfigSource['env']): Promise<Omit<ParsedNotify, 'config'> & { config: NotifyConfig | null }> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const hint = 'it says who is told: see `notify:` in the config';
    const problem = new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path, hint, cause });
    return { config: null, problems: [problem], placeOf: () => path };
  }
  const sources = { env, folder: dirname(resolve(path)) };
  return parseNotify({ path, text, resolve: (data, problem) => substitute(data, sources, problem) });
}

/** As a person in this folder would write it; errors begin with it. */
export function shortPath(path: string): string {
  const short = relative('.', path);
  return short === '' || short.startsWith(`..${sep}`) || short === '..' || isAbsolute(short) ? path : short;
}
