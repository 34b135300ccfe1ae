/** The key that links in messages are signed with: made once, at random, and kept in state.db beside what it protects. */
import { randomBytes } from 'node:crypto';
import type { Database } from '../sqlite/database.ts';

const KEY_BYTES = 32;

export function linkKeyOf({ raw }: Database): Uint8Array {
  raw
    .prepare(`INSERT INTO notify_state VALUES ('key', 'links', ?) ON CONFLICT DO NOTHING`)
    .run(JSON.stringify(randomBytes(KEY_BYTES).toString('base64')));
  const row = raw.prepare(`SELECT value FROM notify_state WHERE kind = 'key' AND key = 'links'`).get();
  const text: unknown = JSON.parse(String(row?.value));
  if (typeof text !== 'string') throw new Error('the key for links is not readable');
  return Buffer.from(text, 'base64');
}
