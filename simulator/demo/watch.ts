/** What happens in a running Tocsin, seen from outside: its alerts over HTTP and the `.eml` files that it leaves. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { z } from 'zod';
import type { Clock } from '../../src/std/clock.ts';
import { messageOf } from '../../src/std/errors.ts';

const alertShape = z.object({ id: z.string(), device: z.string(), level: z.string(), state: z.string(), summary: z.string() });
const alertsShape = z.object({ items: z.array(alertShape) });
export type SeenAlert = z.infer<typeof alertShape>;

export type Happening =
  | { readonly kind: 'fired' | 'recovered'; readonly alert: SeenAlert }
  | { readonly kind: 'mail'; readonly path: string; readonly subject: string; readonly to: string };

const POLL_MS = 250;
/** After a failure. */
const RETRY_MS = 2000;
const ANSWER_WITHIN_MS = 5000;
/** A demonstration has few: past this, older ones are forgotten. */
const SEEN_MAX = 10_000;

/** Calls back for each happening, in order, until the signal aborts. */
export async function watch(
  options: {
    http: string;
    mailDirectory: string;
    clock: Clock;
    onHappening: (happening: Happening) => void;
    onTrouble: (line: string) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  const firing = new Map<string, SeenAlert>();
  const mails = new Set<string>();
  let trouble = '';
  while (!signal.aborted) {
    try {
      await lookAtAlerts(options, firing);
      await lookAtMails(options, mails);
      trouble = '';
    } catch (error) {
      if (signal.aborted) return;
      if (messageOf(error) !== trouble) options.onTrouble(`cannot look at ${options.http}: ${messageOf(error)}`);
      trouble = messageOf(error);
      await options.clock.sleep(RETRY_MS, signal);
    }
    await options.clock.sleep(POLL_MS, signal);
  }
}

async function lookAtAlerts(
  options: { http: string; onHappening: (happening: Happening) => void },
  firing: Map<string, SeenAlert>,
): Promise<void> {
  const { items } = alertsShape.parse(await getJson(`${options.http}/api/v1/alerts?state=firing`));
  for (const alert of items) {
    if (firing.has(alert.id) || firing.size >= SEEN_MAX) continue;
    firing.set(alert.id, alert);
    options.onHappening({ kind: 'fired', alert });
  }
  const still = new Set(items.map(({ id }) => id));
  for (const id of firing.keys()) {
    if (still.has(id)) continue;
    const alert = alertShape.parse(await getJson(`${options.http}/api/v1/alerts/${encodeURIComponent(id)}`));
    if (alert.state !== 'resolved') continue;
    firing.delete(id);
    options.onHappening({ kind: 'recovered', alert });
  }
}

async function lookAtMails(
  options: { mailDirectory: string; onHappening: (happening: Happening) => void },
  seen: Set<string>,
): Promise<void> {
  const names = await readdir(options.mailDirectory).catch((error: NodeJS.ErrnoException) => {
    // The folder is made with the first mail.
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names.filter((file) => file.endsWith('.eml')).sort()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const path = join(options.mailDirectory, name);
    const mail = await simpleParser(await readFile(path));
    const to = [mail.to ?? []].flat().map((address) => address.text);
    options.onHappening({ kind: 'mail', path, subject: mail.subject ?? '(no subject)', to: to.join(', ') });
  }
}

async function getJson(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}
