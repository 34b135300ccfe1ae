/** Reads the scripts that profiles name: files below the devices folder, and nothing else. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
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
    if (!/\.[cm]?js$/.test(path)) {
      const isTyped = /\.[cm]?ts$/.test(path);
      return {
        message: `${named} is no .js file`,
        hint: isTyped ? 'types are not taken out of it here: give what tsc makes of it' : 'name a file of JavaScript',
      };
    }
    try {
      // A link may not lead out, either.
      if (leadsOut(folder, path) || leadsOut(realpathSync(folder), realpathSync(path)))
        return { message: `${named} is not in the devices folder`, hint: `put it below ${folder}, for example into codecs/` };
      const { size } = statSync(path);
      if (size > BYTES_MAX)
        return { message: `${named} has ${size} bytes; a codec has at most ${BYTES_MAX}`, hint: 'leave out what it does not need' };
      return { path, source: readFileSync(path, 'utf8') };
    } catch (cause) {
      return { message: `cannot be read: ${messageOf(cause)}`, hint: 'its path is relative to the file of the profile' };
    }
  };
}

const leadsOut = (folder: string, path: string): boolean => relative(folder, path).split(sep)[0] === '..';
