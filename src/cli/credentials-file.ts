/**
 * Edits `credentials.yaml`: what people wrote there, comments included, stays. The file is exchanged whole, so that nobody reads half of it;
 * it is readable by its owner only, and an existing one keeps its owner and mode.
 */
import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { type Document, isMap, parseDocument } from 'yaml';
import { type Credential, parseCredentials } from '../access/credentials.ts';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';

const HEADER = `# Who may connect. Written by tocsin device and tocsin user: hashes, never a password. Keep it out of version control.
`;
const OWNER_ONLY = 0o600;

/** @throws InvalidConfig when the file holds mistakes */
export function readCredentialsFile(path: string): readonly Credential[] {
  return parsed(path, textOf(path) ?? '');
}

/** @param entries what each name has from now on; null: it is gone */
export function editCredentials(
  path: string,
  kind: Credential['kind'],
  change: (before: readonly Credential[]) => ReadonlyMap<string, Credential | null>,
): void {
  const target = resolvedPath(path);
  const lock = `${target}.new`;
  const file = openAlone(lock, path);
  try {
    const text = textOf(target) ?? HEADER;
    const document = parseDocument(text);
    const entries = change(parsed(path, text));
    for (const [name, entry] of entries) putEntry(document, `${kind}s`, name, entry);
    const after = document.toString({ lineWidth: 0 });
    parsed(path, after);
    writeSync(file, after);
    keepOwner(lock, file, statSync(target, { throwIfNoEntry: false }));
    fsyncSync(file);
    renameSync(lock, target);
  } catch (error) {
    rmSync(lock, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

function parsed(path: string, text: string): readonly Credential[] {
  const { credentials, problems } = parseCredentials({ path, text });
  if (problems.length > 0) throw new InvalidConfig(problems);
  return credentials;
}

function putEntry(document: Document, list: string, name: string, entry: Credential | null): void {
  if (!isMap(document.contents)) document.contents = document.createNode({});
  if (!isMap(document.get(list))) document.set(list, document.createNode({}));
  if (entry === null) {
    document.deleteIn([list, name]);
    return;
  }
  const { passwords, publish, subscribe } = entry;
  document.setIn(
    [list, name],
    document.createNode({
      ...(passwords.length > 0 && { passwords }),
      ...(publish.length > 0 && { publish }),
      ...(subscribe.length > 0 && { subscribe }),
    }),
  );
}

/** What a link leads to is exchanged, not the link. */
function resolvedPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // It is not there yet, or its folder is not: writing says so.
    return path;
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path, cause });
  }
}

/** The new file is the lock as well: two commands at once would lose what one of them wrote. */
function openAlone(lock: string, path: string): number {
  try {
    return openSync(lock, 'wx', OWNER_ONLY);
  } catch (cause) {
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    const hint = isThere ? `another command is writing; or one was interrupted: then remove ${lock}` : 'see `credentials:` in the config';
    throw new TocsinError(`cannot be written: ${messageOf(cause)}`, { place: path, hint, cause });
  }
}

function keepOwner(path: string, file: number, before: Stats | undefined): void {
  if (before === undefined) return;
  const own = statSync(path);
  if (own.uid !== before.uid || own.gid !== before.gid) chownSync(path, before.uid, before.gid);
  fchmodSync(file, before.mode & 0o777);
}
