/** Blots secrets out of what others say: a server that refuses a request likes to repeat it, and what it says goes into logs and lists. */

/** A part of a path that is shorter is no secret, and would be blotted out of every other word. */
const PART_LENGTH_MIN = 5;

/** @param secrets in any spelling in which they cross the wire: as they are, percent-encoded, in base64, escaped in JSON */
export function scrubber(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.filter((secret) => secret !== '').flatMap(spellings);
  const byLength = [...new Set(forms)].sort((a, b) => b.length - a.length);
  if (byLength.length === 0) return (text) => text;
  const pattern = new RegExp(byLength.map((form) => form.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|'), 'gi');
  return (text) => text.replace(pattern, '***');
}

/** What of a URL may be secret: all but its origin. */
export function secretsOf(url: URL): string[] {
  const path = `${url.pathname}${url.search}`;
  const parts = [...url.pathname.split('/'), ...url.searchParams.values(), url.hash.slice(1)];
  return [
    url.username,
    url.password,
    basicCredentials(url),
    path === '/' ? '' : path,
    url.pathname === '/' ? '' : url.pathname,
    ...parts.filter((part) => part.length >= PART_LENGTH_MIN),
  ];
}

const basicCredentials = ({ username, password }: URL): string =>
  username === '' ? '' : Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64');

function spellings(secret: string): string[] {
  const plain = decoded(secret);
  return [secret, plain, encodeURIComponent(plain), Buffer.from(plain).toString('base64'), JSON.stringify(plain).slice(1, -1)];
}

/** A `%` that begins no `%xx` stands for itself. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
