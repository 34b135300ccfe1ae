/** `tocsin notify`: who can be told, whether a message reaches them, and what they would be told of an alert. */
import * as z from 'zod';
import { actor } from './acting.ts';
import { type Client, createClient } from './client.ts';
import { CLIENT_OPTIONS, defineCommand, WrongUsage } from './command.ts';
import { columns, limitOf, printable, printJson, tellOfMore } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin notify contacts [--limit N] [--json]
       tocsin notify test CONTACT [--by NAME] [--json]
       tocsin notify preview ALERT [--contact ID] [--html | --json]

Asks the running instance. contacts lists who can be told, and how. test sends a sample over every channel of a contact, or
of whoever is on call, and prints what came of each: the exit status is 1 unless all were delivered. preview prints what a
contact would be told of an alert now, and sends nothing.

  --contact ID   whose message preview prints; default: who is told first
  --html         the message as HTML
  --by NAME      who asks, as the sample says; default: your name on this machine
  --limit N      how many contacts are printed; default 100
  --json         the API's own answer
  --url URL      the instance; default: http.listen of the config

  tocsin notify test night
  tocsin notify preview 3f9c2a --contact pharmacy --html > message.html
`,
  options: {
    ...CLIENT_OPTIONS,
    by: { type: 'string' },
    contact: { type: 'string' },
    html: { type: 'boolean', default: false },
    limit: { type: 'string', default: '100' },
  },
  positionalsMax: 2,
  async run({ json, by, contact, html, limit, ...address }, [verb, id]) {
    const client = (): Client => createClient(address);
    if (verb !== 'preview' && (contact !== undefined || html)) throw new WrongUsage('--contact and --html go together with preview');
    if (html && json) throw new WrongUsage('--html and --json exclude each other');
    if (verb === 'contacts' && id === undefined) {
      const most = limitOf(limit);
      if (typeof most === 'string') throw new WrongUsage(most);
      return contacts(client(), { limit: most, json });
    }
    if (verb !== 'test' && verb !== 'preview') {
      throw new WrongUsage(`notify: expected contacts, test CONTACT or preview ALERT, found ${id ?? verb ?? 'nothing'}`);
    }
    if (id === undefined) throw new WrongUsage(`notify ${verb}: which one? tocsin notify ${verb} ${verb === 'test' ? 'CONTACT' : 'ALERT'}`);
    if (verb === 'test') return test(client(), { id, by: actor(by), json });
    return preview(client(), { id, contact, as: html ? 'html' : json ? 'json' : 'text' });
  },
});

/** What is printed of it; there may be more. */
const contactForm = z.object({
  id: z.string(),
  channels: z.array(z.object({ kind: z.string(), address: z.string() })),
  onCall: z.array(z.string()).nullable(),
});
const testForm = z.object({ items: z.array(z.object({ channel: z.string(), outcome: z.string(), detail: z.string() })) });
const previewForm = z.object({
  contact: z.string(),
  channel: z.string().nullable(),
  subject: z.string(),
  text: z.string(),
  html: z.string(),
});

async function contacts(client: Client, { limit, json }: { limit: number; json: boolean }): Promise<number> {
  const { items, isMore } = await client.list('/contacts', {}, limit);
  tellOfMore(isMore, limit);
  if (json) {
    printJson(items);
    return 0;
  }
  const rows = items.map((item) => {
    const { id, channels, onCall } = contactForm.parse(item);
    const reached = channels.map(({ kind, address }) => `${kind} ${address}`).join(', then ');
    return [id, onCall === null ? reached || 'no channel' : `on call now: ${onCall.join(', ') || 'nobody'}`];
  });
  process.stdout.write(rows.length === 0 ? 'no contacts\n' : columns([['CONTACT', 'REACHED BY'], ...rows]));
  return 0;
}

async function test(client: Client, { id, by, json }: { id: string; by: string; json: boolean }): Promise<number> {
  const answer = await client.post(`/contacts/${encodeURIComponent(id)}/test`, { by });
  const { items } = testForm.parse(answer);
  const status = items.length > 0 && items.every(({ outcome }) => outcome === 'delivered') ? 0 : 1;
  if (json) printJson(answer);
  else if (items.length > 0) process.stdout.write(columns(items.map(({ channel, outcome, detail }) => [channel, outcome, detail])));
  else process.stderr.write(`${printable(id)} is reached by nothing at present: nothing was sent\n`);
  return status;
}

async function preview(
  client: Client,
  { id, contact, as }: { readonly id: string; readonly contact: string | undefined; readonly as: 'text' | 'html' | 'json' },
): Promise<number> {
  const answer = await client.get(`/alerts/${encodeURIComponent(id)}/preview`, { contact });
  const message = previewForm.parse(answer);
  if (as === 'json') printJson(answer);
  else if (as === 'html') process.stdout.write(message.html);
  else {
    const facts = [
      ['To:', `${message.contact}${message.channel === null ? '' : ` (${message.channel})`}`],
      ['Subject:', message.subject],
    ];
    // The line breaks of a message are its own; nothing else in it may reach the terminal as a command.
    const text = message.text.split('\n').map(printable).join('\n').trimEnd();
    process.stdout.write(`${columns(facts)}\n${text}\n`);
  }
  return 0;
}
