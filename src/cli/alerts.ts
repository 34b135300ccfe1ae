/** `tocsin alerts`: the alerts of the running instance, the latest first, and one of them with its timeline. */
import * as z from 'zod';
import { type Client, createClient, type Query } from './client.ts';
import { CLIENT_OPTIONS, defineCommand, WrongUsage } from './command.ts';
import { age, columns, labelsText, limitOf, printable, printJson, tellOfMore, valueText } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin alerts [ls] [--state S] [--level L] [--device ID] [--rule ID] [--limit N] [--json]
       tocsin alerts show ID [--json]

Asks the running instance. ls lists alerts, the latest first; show prints one with its timeline: what happened, who was
told, and why.

  --state S    pending, firing or resolved
  --level L    info, warning or critical
  --limit N    how many ls prints; default 100
  --json       the API's own answer
  --url URL    the instance; default: http.listen of the config

  tocsin alerts --state firing --level critical
`,
  options: {
    ...CLIENT_OPTIONS,
    state: { type: 'string' },
    level: { type: 'string' },
    device: { type: 'string' },
    rule: { type: 'string' },
    limit: { type: 'string', default: '100' },
  },
  positionalsMax: 2,
  async run({ json, limit, state, level, device, rule, ...address }, [verb = 'ls', id]) {
    const client = (): Client => createClient(address);
    if (verb === 'show' && id !== undefined) return show(client(), id, json);
    if (verb === 'show') throw new WrongUsage('alerts show: which one? tocsin alerts show ID');
    if (verb !== 'ls' || id !== undefined) throw new WrongUsage(`alerts: expected ls or show ID, found ${id ?? verb}`);
    const most = limitOf(limit);
    if (typeof most === 'string') throw new WrongUsage(most);
    return list(client(), { state, level, device, rule }, { limit: most, json });
  },
});

const value = z.union([z.number(), z.boolean(), z.string()]).nullable();
/** What is printed of it; there may be more. */
const alertForm = z.object({
  id: z.string(),
  rule: z.string(),
  device: z.string(),
  group: z.string().optional(),
  level: z.string(),
  state: z.string(),
  flags: z.array(z.string()),
  since: z.string(),
  firedAt: z.string().nullable(),
  resolvedAt: z.string().nullable(),
  value,
  summary: z.string(),
  labels: z.record(z.string(), z.string()),
});
type Alert = z.output<typeof alertForm>;
/** A transition has a reason, what became of a message a detail. */
const timelineForm = z.object({
  timeline: z.array(z.object({ at: z.string(), kind: z.string(), reason: z.string().optional(), detail: z.string().optional() })),
});

async function list(client: Client, query: Query, { limit, json }: { limit: number; json: boolean }): Promise<number> {
  const { items, isMore } = await client.list('/alerts', query, limit);
  tellOfMore(isMore, limit);
  if (json) {
    printJson(items);
    return 0;
  }
  const rows = items.map((item) => {
    const alert = alertForm.parse(item);
    return [stateOf(alert), alert.level, alert.rule, alert.device, age(alert.since), alert.id, alert.summary];
  });
  const head = ['STATE', 'LEVEL', 'RULE', 'DEVICE', 'SINCE', 'ID', 'SUMMARY'];
  process.stdout.write(rows.length === 0 ? 'no alerts\n' : columns([head, ...rows]));
  return 0;
}

const stateOf = ({ state, flags }: Alert): string => [state, ...flags].join(', ');

async function show(client: Client, id: string, json: boolean): Promise<number> {
  const answer = await client.get(`/alerts/${encodeURIComponent(id)}`);
  if (json) {
    printJson(answer);
    return 0;
  }
  const alert = alertForm.parse(answer);
  const { timeline } = timelineForm.parse(answer);
  const time = (at: string | null): string => (at === null ? 'not' : `${at} (${age(at)})`);
  const facts = [
    ['state', stateOf(alert)],
    ['level', alert.level],
    ['rule', alert.rule],
    alert.group === undefined ? ['device', alert.device] : ['group', alert.group],
    ['since', time(alert.since)],
    ['fired', time(alert.firedAt)],
    ['resolved', time(alert.resolvedAt)],
    ['value', valueText(alert.value)],
    ['labels', labelsText(alert.labels) || 'none'],
    ['id', alert.id],
  ];
  const entries = timeline.map(({ at, kind, reason, detail }) => [at, kind, reason ?? detail ?? '']);
  process.stdout.write(`${printable(alert.summary)}\n${columns(facts, '  ')}timeline\n${columns(entries, '  ')}`);
  return 0;
}
