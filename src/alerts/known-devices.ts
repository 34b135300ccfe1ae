/** What alerting has stored of each device's profile and labels, read from its file while it runs. */
import * as z from 'zod';
import { openReadOnly } from '../sqlite/read-only.ts';

const form = z.object({
  id: z.string(),
  profile: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  registeredAt: z.number().nullable().default(null),
});

export interface KnownDevice {
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** When it was first listed, µs; null: it is not. */
  readonly registeredAt: number | null;
}

/** By id. Throws a TocsinError where the file cannot be read. */
export function readKnownDevices(path: string): ReadonlyMap<string, KnownDevice> {
  using database = openReadOnly(path);
  const known = new Map<string, KnownDevice>();
  for (const row of database.prepare('SELECT body FROM device').iterate()) {
    const { id, profile, labels, registeredAt } = form.parse(JSON.parse(String(row.body)));
    known.set(id, { profile, labels, registeredAt });
  }
  return known;
}
