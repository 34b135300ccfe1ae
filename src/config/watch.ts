/**
 * Calls back when files of the configuration have changed: once for a burst of changes, as an editor or a deployment makes
 * it, when it has been quiet for half a second, and after five seconds at the latest.
 *
 * Folders are watched, not files: an editor that writes beside the file and renames has then not taken it away. Who calls
 * `watchConfiguration` again after each change also sees folders that came or were exchanged. A folder that the system does not
 * let us watch is looked at every few seconds instead.
 */
import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';

export interface Watched {
  readonly config: string;
  /** Folders. */
  readonly devices: string;
  readonly rules: string;
  readonly notify: string;
  readonly credentials: string;
}

const QUIET_MS = 500;
const LATEST_MS = 5000;
const LOOK_EVERY_MS = 3000;

interface Folder {
  readonly path: string;
  /** It need not be there. */
  readonly isOptional?: boolean;
  readonly isOurs: (name: string) => boolean;
}

const isYaml = (name: string): boolean => /\.ya?ml$/.test(name) && !name.startsWith('.');
/** Codecs anywhere else are read at the next reload. */
const isScript = (name: string): boolean => /\.[cm]?[jt]s$/.test(name) && !name.startsWith('.');

const one = (path: string): Folder => ({ path: dirname(path), isOurs: (name) => name === basename(path) });

function foldersOf({ config, devices, rules, notify, credentials }: Watched): Folder[] {
  return [
    one(config),
    one(notify),
    one(credentials),
    { path: rules, isOurs: isYaml },
    // `profiles` and `codecs` themselves may come and go.
    { path: devices, isOurs: (name) => name === 'fleet.yaml' || name === 'profiles' || name === 'codecs' },
    { path: join(devices, 'profiles'), isOptional: true, isOurs: (name) => isYaml(name) || isScript(name) || name === 'codecs' },
    { path: join(devices, 'codecs'), isOptional: true, isOurs: isScript },
    { path: join(devices, 'profiles', 'codecs'), isOptional: true, isOurs: isScript },
  ];
}

interface WatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onChange: () => void;
}

/** @returns what ends it */
export const watchConfiguration = (files: Watched, options: WatchOptions): (() => void) => watchFolders(foldersOf(files), options);

/** @returns what ends it */
export const watchFiles = (paths: readonly string[], options: WatchOptions): (() => void) => watchFolders(paths.map(one), options);

function watchFolders(folders: readonly Folder[], options: WatchOptions): () => void {
  const { clock, logger } = options;
  const settling = new Settling(clock, options.onChange);
  const ends: (() => void)[] = [() => settling.end()];
  for (const folder of folders) {
    try {
      ends.push(watchFolder(folder, settling, (error) => ends.push(lookAt(folder, settling, clock, error, logger))));
    } catch (error) {
      if (folder.isOptional === true && isMissing(error)) continue;
      ends.push(lookAt(folder, settling, clock, error, logger));
    }
  }
  return () => {
    for (const end of ends.splice(0)) end();
  };
}

function watchFolder(folder: Folder, settling: Settling, onFault: (error: Error) => void): () => void {
  const watcher: FSWatcher = watch(folder.path, { persistent: false }, (_, name) => {
    // A folder that is moved away or deleted is told under its own name; `..data` is how Kubernetes exchanges all files at once.
    if (name === null || folder.isOurs(name) || name === basename(folder.path) || name === '..data') settling.note();
  });
  watcher.once('error', (error) => {
    watcher.close();
    onFault(error);
  });
  return () => watcher.close();
}

/** Looks at names, sizes and times every few seconds. */
function lookAt(folder: Folder, settling: Settling, clock: Clock, reason: unknown, logger: Logger): () => void {
  logger.warn({ folder: folder.path, error: messageOf(reason) }, 'the folder cannot be watched: it is looked at every few seconds');
  let before = signatureOf(folder);
  let cancel = (): void => undefined;
  const look = (): void => {
    const now = signatureOf(folder);
    if (now !== before) settling.note();
    before = now;
    cancel = clock.after(LOOK_EVERY_MS, look);
  };
  cancel = clock.after(LOOK_EVERY_MS, look);
  return () => cancel();
}

function signatureOf({ path, isOurs }: Folder): string {
  try {
    const names = readdirSync(path).filter(isOurs).sort();
    return names.map((name) => `${name} ${signatureOfFile(join(path, name))}`).join('\n');
  } catch (error) {
    return messageOf(error);
  }
}

function signatureOfFile(path: string): string {
  const { mtimeMs, size } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: 0, size: -1 };
  return `${mtimeMs} ${size}`;
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** One call for a burst. */
class Settling {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #firstMs: number | null = null;
  #cancel: () => void = () => undefined;
  #hasEnded = false;

  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  note(): void {
    if (this.#hasEnded) return;
    const nowMs = this.#clock.monotonicMs();
    this.#firstMs ??= nowMs;
    this.#cancel();
    this.#cancel = this.#clock.after(Math.min(QUIET_MS, this.#firstMs + LATEST_MS - nowMs), () => {
      this.#firstMs = null;
      this.#onChange();
    });
  }

  end(): void {
    this.#hasEnded = true;
    this.#cancel();
  }
}
