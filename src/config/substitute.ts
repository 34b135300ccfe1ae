/**
 * `${NAME}` and `${file:/run/secrets/x}` in a text → the environment's or the file's. `$${` stands for `${`. What was put in
 * may be a secret: it never appears in a message.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { TocsinError } from '../std/errors.ts';

export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What relative file names are relative to. */
  readonly folder: string;
}

const REFERENCE = /\$(\$\{)|\$\{([^}]*)\}/g;
const FILE = 'file:';
const FILE_BYTES_MAX = 64 * 1024;

/** Replaces in every text of the data, at any depth; keys stay as they are. `problem` is told what could not be found. */
export function substitute(data: unknown, sources: Sources, problem: (at: readonly PropertyKey[], error: TocsinError) => void): unknown {
  const visit = (value: unknown, at: readonly PropertyKey[]): unknown => {
    if (typeof value === 'string') {
      return value.replace(REFERENCE, (_whole, escaped: string | undefined, name: string | undefined) => {
        if (escaped !== undefined) return escaped;
        const found = lookUp(name ?? '', sources);
        if (typeof found === 'string') return found;
        problem(at, found);
        return '';
      });
    }
    if (Array.isArray(value)) return value.map((element: unknown, index) => visit(element, [...at, index]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, visit(element, [...at, key])]));
  };
  return visit(data, []);
}

function lookUp(name: string, sources: Sources): string | TocsinError {
  if (name.startsWith(FILE)) return readSecret(resolve(sources.folder, name.slice(FILE.length)));
  if (!/^[A-Za-z_]\w*$/.test(name))
    return new TocsinError(`\${${name}} is no reference`, { hint: `write \${NAME} or \${file:/path}; $\${ for a literal \${` });
  return (
    sources.env[name] ??
    new TocsinError(`the environment variable ${name} is not set`, { hint: `export ${name}=…, or write $\${ for a literal \${` })
  );
}

function readSecret(path: string): string | TocsinError {
  try {
    const text = readFileSync(path, 'utf8');
    // A file made by an editor or by echo ends with a line break that is no part of the secret.
    return text.length <= FILE_BYTES_MAX ? text.replace(/\r?\n$/, '') : new TocsinError(`${path} is too large for a secret`);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    return new TocsinError(`the file ${path} cannot be read (${code})`, { hint: 'is it there, and may this user read it?', cause });
  }
}
