/** Reads the scripts that profiles name: files below the devices folder, and nothing else. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { messageOf } from '../../std/errors.ts';
import type { Script } from './sandbox.ts';

/** What stands in the way of it, and what to do about it. */
export interface Unreadable {
  readonly message: string;
  readonly hint: string;
}

/** @param path as the profile names it, relative to the profile's own file */
export type ReadScript = (path: string) => Script | Unreadable;

const BYTES_MAX = 1024 * 1024;

export const readNoScript: ReadScript = () => ({ message: 'a codec of its own needs a devices folder', hint: 'name one that is built in' });

/** @param folder the devices folder. @param profile the profile's file. Both as they shall stand in errors. */
export function scriptReader(folder: string, profile: string): ReadScript {
  return (named) => {
    const path = join(dirname(profile), named);
    if (!/\.[cm]?[jt]s$/.test(path)) return { message: `${named} is no .js or .ts file`, hint: 'name a file of JavaScript or TypeScript' };
    try {
      // A link may not lead out, either.
      if (leadsOut(folder, path) || leadsOut(realpathSync(folder), realpathSync(path)))
        return { message: `${named} is not in the devices folder`, hint: `put it below ${folder}, for example into codecs/` };
      const { size } = statSync(path);
      if (size > BYTES_MAX)
        return { message: `${named} has ${size} bytes; a codec has at most ${BYTES_MAX}`, hint: 'leave out what it does not need' };
      const source = readFileSync(path, 'utf8');
      return /ts$/.test(path) ? withoutTypes(path, source) : { path, source };
    } catch (cause) {
      return { message: `cannot be read: ${messageOf(cause)}`, hint: 'its path is relative to the file of the profile' };
    }
  };
}

/** Types are blanked out, so that lines and columns stay where they are. */
function withoutTypes(path: string, source: string): Script | Unreadable {
  // Node tells of a feature that may change with every use of it, on stderr, where it helps nobody who runs this.
  const warn = process.emitWarning;
  process.emitWarning = () => undefined;
  try {
    return { path, source: stripTypeScriptTypes(source) };
  } catch (cause) {
    return {
      message: `no TypeScript whose types can be taken out: ${messageOf(cause)}`,
      hint: 'enums, namespaces and parameter properties cannot',
    };
  } finally {
    process.emitWarning = warn;
  }
}

const leadsOut = (folder: string, path: string): boolean => relative(folder, path).split(sep)[0] === '..';
