/**
 * The codecs that profiles name: those that are built in, and scripts, which get a sandbox. It is loaded only where there is a script,
 * and anew for each configuration: with the old one goes all that the old codecs held.
 */
import type { Profile } from '../../domain/device.ts';
import type { Clock } from '../../std/clock.ts';
import { TocsinError } from '../../std/errors.ts';
import { cayenneLppCodec } from '../decoders/cayenne-lpp.ts';
import type { Codec } from '../decoders/format.ts';
import { Refusal } from '../decoders/value.ts';
import { Sandbox, type Script } from './sandbox.ts';
import { scriptCodec } from './script-codec.ts';

/** A profile's codec; null: it names none. */
export type Codecs = (profile: Profile) => Codec | null;

/** By the name that a profile gives. */
export const BUILT_IN_CODECS: ReadonlyMap<string, Codec> = new Map([['cayenne-lpp', cayenneLppCodec]]);

/** For decoders that no message with a script is put through, as that of rule tests. */
export const BUILT_IN_ONLY: Codecs = ({ codec }) => {
  if (codec === null) return null;
  if (codec.kind === 'built-in') return BUILT_IN_CODECS.get(codec.name) ?? null;
  return () => new Refusal('codec-error', `${codec.path}: there is no sandbox to run it in`);
};

export async function loadCodecs(profiles: readonly Profile[], clock: Clock): Promise<Codecs> {
  const scripts = scriptsOf(profiles);
  if (scripts.length === 0) return BUILT_IN_ONLY;
  const sandbox = await Sandbox.load(clock, scripts.length);
  const byPath = new Map(scripts.map((script) => [script.path, scriptCodec(script.path, sandbox.open(script), clock)]));
  return (profile) => (profile.codec?.kind === 'script' ? (byPath.get(profile.codec.path) ?? null) : BUILT_IN_ONLY(profile));
}

/** What is wrong with the scripts, as far as they can be tried without a frame. */
export async function codecProblems(profiles: readonly Profile[], clock: Clock): Promise<TocsinError[]> {
  const problems: TocsinError[] = [];
  for (const script of scriptsOf(profiles)) {
    // One each: a script that breaks the sandbox says nothing against the next.
    const problem = (await Sandbox.load(clock)).open(script).check();
    if (problem !== null) {
      const hint = 'a codec is one file of plain JavaScript, without import and require';
      problems.push(new TocsinError(problem.message, { place: problem.place, hint }));
    }
  }
  return problems;
}

function scriptsOf(profiles: readonly Profile[]): readonly Script[] {
  const byPath = new Map<string, Script>();
  for (const { codec } of profiles) if (codec?.kind === 'script') byPath.set(codec.path, codec);
  return [...byPath.values()];
}
