/** `tocsin alerts`: the alerts of the running instance, one of them with its timeline, and what a person does about one. */
import * as z from 'zod';
import { ACTING_OPTIONS, actor, endOption } from './acting.ts';
import { type Client, createClient, type Query } from './client.ts';
import { CLIENT_OPTIONS, defineCommand, WrongUsage } from './command.ts';
import { age, columns, labelsText, limitOf, printable, printJson, tellOfMore, valueText } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin alerts [ls] [--state S] [--level L] [--device ID] [--rule ID] [--acknowledged yes|no] [--limit N] [--json]
       tocsin alerts show ID [--json]
       tocsin alerts ack ID [--for DURATION | --until TIME] [--comment TEXT] [--by NAME] [--json]
       tocsin alerts unack ID [--by NAME] [--json]
       tocsin alerts comment ID TEXT [--by NAME] [--json]

Asks the running instance. ls lists alerts, the latest first; show prints one with its timeline: what happened, who was
told, and why. ack says that somebody looks after it: reminders and escalation stop, for good or for a time; a higher level
and the end are told of all the same. unack takes that back. To be told nothing at all there is tocsin silences.

  --state S          pending, firing or resolved
  --level L          info, warning or critical
  --acknowledged A   yes or no
  --limit N          how many ls prints; default 100
  --for DURATION     how long it counts as acknowledged, such as 2h; default: until it is resolved
  --until TIME       the same as a time, such as 2026-11-24T08:00:00Z
  --comment TEXT     goes into the timeline
  --by NAME          who does it; default: your name on this machine
  --json             the API's own answer
  --url URL          the instance; default: http.listen of the config

  tocsin alerts --state firing --level critical
  tocsin alerts ack 3f9c2a --for 2h --comment "the technician is on her way"
`,
  options: {
    ...CLIENT_OPTIONS,
    ...ACTING_OPTIONS,
    state: { type: 'string' },
    level: { type: 'string' },
    device: { type: 'string' },
    rule: { type: 'string' },
    acknowledged: { type: 'string' },
    limit: { type: 'string', default: '100' },
  },
  positionalsMax: 3,
  async run({ json, limit, state, level, device, rule, acknowledged, by, comment, until, for: duration, ...address }, positionals) {
    const [verb = 'ls', id, text] = positionals;
    const client = (): Client => createClient(address);
    if (verb !== 'ack' && (until !== undefined || duration !== undefined)) throw new WrongUsage('--for and --until go together with ack');
    if (verb !== 'ack' && comment !== undefined)
      throw new WrongUsage('--comment goes together with ack; else: tocsin alerts comment ID TEXT');
    if (verb === 'ls' && id === undefined) {
      const most = limitOf(limit);
      if (typeof most === 'string') throw new WrongUsage(most);
      return list(client(), { state, level, device, rule, acknowledged: truthOf(acknowledged) }, { limit: most, json });
    }
    if (!isVerb(verb) || verb === 'ls') {
      throw new WrongUsage(`alerts: expected ls, or one of ${VERBS.slice(1).join(', ')} and an ID, found ${id ?? verb}`);
    }
    if (id === undefined) throw new WrongUsage(`alerts ${verb}: which one? tocsin alerts ${verb} ID${verb === 'comment' ? ' TEXT' : ''}`);
    if (verb !== 'comment' && text !== undefined) throw new WrongUsage(`unexpected argument ${text}`);
    if (verb === 'show') return show(client(), id, json);
    const path = `/alerts/${encodeURIComponent(id)}`;
    if (verb === 'unack') return acted(await client().delete(`${path}/acknowledge`, { by: actor(by) }), 'no longer acknowledged', json);
    if (verb === 'comment') {
      if (text === undefined) throw new WrongUsage('alerts comment: what is to be said? tocsin alerts comment ID TEXT');
      return acted(await client().post(`${path}/comment`, { by: actor(by), comment: text }), 'commented', json);
    }
    const body = { by: actor(by), ...endOption({ until, for: duration }), ...(comment !== undefined && { comment }) };
    return acted(await client().post(`${path}/acknowledge`, body), 'acknowledged', json);
  },
});

const VERBS = ['ls', 'show', 'ack', 'unack', 'comment'] as const;
const isVerb = (text: string): text is (typeof VERBS)[number] => VERBS.some((verb) => verb === text);

function truthOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text === 'yes' || text === 'true') return 'true';
  if (text === 'no' || text === 'false') return 'false';
  throw new WrongUsage(`--acknowledged ${text}: expected yes or no`);
}

/** What became of the alert, in a line. */
function acted(answer: unknown, what: string, json: boolean): number {
  if (json) {
    printJson(answer);
    return 0;
  }
  const alert = alertForm.parse(answer);
  process.stdout.write(`${printable(`${alert.rule} on ${alert.device}: ${what} (${alert.level}, ${stateOf(alert)})`)}\n`);
  return 0;
}

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
