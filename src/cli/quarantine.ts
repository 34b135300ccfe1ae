/** `tocsin quarantine`: what did not decode in the running instance, by reason and one by one, and replays of it once it should. */
import * as z from 'zod';
import { remedyFor } from '../devices/remedy.ts';
import { type Client, createClient } from './client.ts';
import { CLIENT_OPTIONS, defineCommand, WrongUsage } from './command.ts';
import { age, columns, limitOf, printable, printJson, tellOfMore } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin quarantine [ls] [--reason R] [--device D] [--topic T] [--limit N] [--json]
       tocsin quarantine show ID [--json]
       tocsin quarantine replay ID… [--rules] [--json]
       tocsin quarantine replay (--all | --reason R | --device D | --topic T)… [--rules] [--json]

Asks the running instance for messages that did not decode, or not whole. ls counts them by reason, and lists the newest; show
prints one with its payload. replay decodes them again by the present profiles, the oldest first: what comes of it is written
into history at its own time, and no rule sees it. What is rejected still stays, and the exit status is 1.

  --reason R   only those with this reason, such as out-of-range
  --device D   only those of this device
  --topic T    only those on this topic; "" is what came over HTTP
  --all        replay all there are
  --rules      replay them before rules, too: as readings that come late, which may alert
  --limit N    how many ls lists; default 20
  --json       the API's own answer
  --url URL    the instance; default: http.listen of the config

  tocsin quarantine ls --reason invalid-json
  tocsin quarantine replay 17 18
  tocsin quarantine replay --reason out-of-range --device fridge-01
`,
  options: {
    ...CLIENT_OPTIONS,
    reason: { type: 'string' },
    device: { type: 'string' },
    topic: { type: 'string' },
    limit: { type: 'string', default: '20' },
    all: { type: 'boolean', default: false },
    rules: { type: 'boolean', default: false },
  },
  positionalsMax: Number.POSITIVE_INFINITY,
  async run({ json, limit, all, rules, reason, device, topic, ...address }, [verb = 'ls', ...ids]) {
    const client = (): Client => createClient(address);
    const filter = {
      ...(reason !== undefined && { reason }),
      ...(device !== undefined && { device }),
      ...(topic !== undefined && { topic }),
    };
    const isFiltered = Object.keys(filter).length > 0;
    if (verb !== 'replay' && (all || rules)) throw new WrongUsage('--all and --rules go with replay');
    if (verb === 'replay') {
      const ways = [ids.length > 0, isFiltered, all].filter(Boolean).length;
      if (ways !== 1) throw new WrongUsage('quarantine replay: which ones? ID…, or --reason, --device and --topic, or --all');
      return ids.length > 0 ? replayEach(client(), ids, { rules, json }) : replayMany(client(), filter, { rules, json });
    }
    const [id, other] = ids;
    if (verb === 'show') {
      if (id === undefined || other !== undefined) throw new WrongUsage('quarantine show: which one? tocsin quarantine show ID');
      return show(client(), id, json);
    }
    if (verb !== 'ls' || id !== undefined)
      throw new WrongUsage(`quarantine: expected ls, show ID or replay, found ${verb === 'ls' ? id : verb}`);
    const most = limitOf(limit);
    if (typeof most === 'string') throw new WrongUsage(most);
    return list(client(), filter, { limit: most, json, isFiltered });
  },
});

/** What is printed of it; there may be more. */
const entryForm = z.object({
  id: z.number(),
  device: z.string().nullable(),
  topic: z.string(),
  client: z.string(),
  receivedAt: z.string(),
  reason: z.string(),
  detail: z.string(),
  partial: z.boolean(),
  payload: z.string().optional(),
  payloadBase64: z.string().optional(),
});
type Entry = z.output<typeof entryForm>;
const reasonsForm = z.object({
  items: z.array(
    z.object({ reason: z.string(), count: z.number(), firstReceivedAt: z.string(), lastReceivedAt: z.string(), example: entryForm }),
  ),
});
const outcomeForm = z.object({
  id: z.number(),
  outcome: z.enum(['replayed', 'nothing', 'kept']),
  readings: z.number(),
  reason: z.string().optional(),
  detail: z.string().optional(),
});
type Outcome = z.output<typeof outcomeForm>;
const summaryForm = z.object({
  replayed: z.number(),
  kept: z.number(),
  readings: z.number(),
  still: z.array(outcomeForm),
  remaining: z.number(),
  next: z.string().nullable(),
});

const PREVIEW_LENGTH = 40;
const HEX_BYTES_MAX = 4096;
const HEX_LINE_BYTES = 16;

async function list(
  client: Client,
  filter: Readonly<Record<string, string>>,
  { limit, json, isFiltered }: { readonly limit: number; readonly json: boolean; readonly isFiltered: boolean },
): Promise<number> {
  const answer = isFiltered ? null : await client.get('/quarantine/reasons');
  const { items, isMore } = await client.list('/quarantine', filter, limit);
  tellOfMore(isMore, limit);
  if (json) {
    printJson(items);
    return 0;
  }
  const entries = items.map((item) => entryForm.parse(item));
  if (entries.length === 0) {
    process.stdout.write(isFiltered ? 'nothing like that is in the quarantine\n' : 'the quarantine is empty\n');
    return 0;
  }
  if (answer !== null) {
    const rows = reasonsForm.parse(answer).items.map(({ reason, count, lastReceivedAt, example }) => {
      return [reason, String(count), age(lastReceivedAt), clipped(example.detail)];
    });
    process.stdout.write(`${columns([['REASON', 'COUNT', 'LAST', 'FOR EXAMPLE'], ...rows])}\n`);
  }
  const rows = entries.map((entry) => {
    const { id, receivedAt, reason, device, topic, detail } = entry;
    return [String(id), age(receivedAt), reason, device ?? '-', topic === '' ? '(HTTP)' : topic, preview(entry), clipped(detail)];
  });
  process.stdout.write(columns([['ID', 'RECEIVED', 'REASON', 'DEVICE', 'TOPIC', 'PAYLOAD', 'DETAIL'], ...rows]));
  return 0;
}

async function show(client: Client, id: string, json: boolean): Promise<number> {
  const answer = await client.get(`/quarantine/${encodeURIComponent(id)}`);
  if (json) {
    printJson(answer);
    return 0;
  }
  const entry = entryForm.parse(answer);
  const { reason, detail, partial, device, topic, client: sender, receivedAt } = entry;
  const remedy = remedyFor(reason);
  const facts = [
    ['reason', reason],
    ['detail', detail],
    ...(remedy === null ? [] : [['hint', remedy]]),
    ['device', device ?? 'none that the topic names'],
    ['topic', topic === '' ? 'none: it came over HTTP' : topic],
    ['client', sender || 'none'],
    ['received', `${receivedAt} (${age(receivedAt)})`],
    ['rest of it', partial ? 'was accepted' : 'nothing was accepted'],
  ];
  process.stdout.write(`${entry.id}\n${columns(facts, '  ')}payload\n${payloadText(entry)}`);
  return 0;
}

async function replayEach(
  client: Client,
  ids: readonly string[],
  { rules, json }: { readonly rules: boolean; readonly json: boolean },
): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const id of ids) {
    const answer = await client.post(`/quarantine/${encodeURIComponent(id)}/replay`, { rules });
    outcomes.push(outcomeForm.parse(answer));
    if (!json) process.stdout.write(outcomeText(outcomes.at(-1)));
  }
  if (json) printJson(outcomes);
  return outcomes.every(({ outcome }) => outcome !== 'kept') ? 0 : 1;
}

/** A request looks at a bounded number; the next one goes on where it ended. */
async function replayMany(
  client: Client,
  filter: object,
  { rules, json }: { readonly rules: boolean; readonly json: boolean },
): Promise<number> {
  const sums = { replayed: 0, kept: 0, readings: 0 };
  const still: Outcome[] = [];
  let cursor: string | null = null;
  do {
    const summary = summaryForm.parse(await client.post('/quarantine/replay', { ...filter, rules, ...(cursor !== null && { cursor }) }));
    sums.replayed += summary.replayed;
    sums.kept += summary.kept;
    sums.readings += summary.readings;
    still.push(...summary.still);
    cursor = summary.next;
    if (cursor !== null && process.stderr.isTTY) process.stderr.write(`${sums.replayed} replayed, ${summary.remaining} to go\n`);
  } while (cursor !== null);
  if (json) printJson({ ...sums, still });
  else {
    for (const outcome of still) process.stdout.write(outcomeText(outcome));
    const more = sums.kept > still.length ? ` (${sums.kept - still.length} of them not shown)` : '';
    process.stdout.write(`${sums.replayed} replayed as ${readingsText(sums.readings)}, ${sums.kept} rejected still${more}\n`);
  }
  return sums.kept === 0 ? 0 : 1;
}

function outcomeText(outcome: Outcome | undefined): string {
  if (outcome === undefined) return '';
  const { id, readings, reason, detail } = outcome;
  if (outcome.outcome === 'replayed') return `${id}: replayed as ${readingsText(readings)}\n`;
  if (outcome.outcome === 'nothing') return `${id}: there is nothing to keep in it: it has left\n`;
  const rest = readings === 0 ? '' : `; the rest of it is replayed as ${readingsText(readings)}`;
  return `${id}: rejected still, ${reason ?? ''}: ${printable(detail ?? '')}${rest}\n`;
}

const readingsText = (readings: number): string => `${readings} reading${readings === 1 ? '' : 's'}`;

const clipped = (text: string): string => (text.length <= PREVIEW_LENGTH ? text : `${text.slice(0, PREVIEW_LENGTH - 1)}…`);

/** Any control character but white space makes it binary, whatever its encoding. */
const isText = (payload: string | undefined): payload is string => payload !== undefined && !/[^\P{Cc}\t\r\n]/u.test(payload);

const bytesOf = ({ payload, payloadBase64 }: Entry): Buffer =>
  payload === undefined ? Buffer.from(payloadBase64 ?? '', 'base64') : Buffer.from(payload);

const preview = (entry: Entry): string =>
  isText(entry.payload) ? clipped(entry.payload.replace(/\s+/g, ' ').trim()) : `0x${clipped(bytesOf(entry).toString('hex'))}`;

/** Text by line, or else the bytes: nothing in it reaches a terminal as a command. */
function payloadText(entry: Entry): string {
  if (isText(entry.payload)) {
    const lines = entry.payload.replaceAll('\t', '    ').split(/\r?\n/);
    return lines.map((line) => `  ${printable(line)}\n`).join('');
  }
  const bytes = bytesOf(entry);
  const lines: string[] = [];
  for (let offset = 0; offset < Math.min(bytes.length, HEX_BYTES_MAX); offset += HEX_LINE_BYTES) {
    const part = bytes.subarray(offset, offset + HEX_LINE_BYTES);
    const hex = [...part].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const shown = [...part].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`  ${offset.toString(16).padStart(6, '0')}  ${hex.padEnd(HEX_LINE_BYTES * 3)} ${shown}\n`);
  }
  if (bytes.length > HEX_BYTES_MAX) lines.push(`  … ${bytes.length - HEX_BYTES_MAX} bytes more: --json has all of them\n`);
  return lines.join('');
}
