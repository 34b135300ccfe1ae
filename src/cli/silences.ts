/** `tocsin silences`: what is quiet on purpose in the running instance: listed, begun and ended. */
import * as z from 'zod';
import { ACTING_OPTIONS, actor, endOption } from './acting.ts';
import { type Client, createClient } from './client.ts';
import { CLIENT_OPTIONS, defineCommand, WrongUsage } from './command.ts';
import { age, columns, limitOf, printable, printJson, tellOfMore } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin silences [ls] [--state S] [--limit N] [--json]
       tocsin silences show ID [--json]
       tocsin silences add (--match KEY=VALUE… | --alert ID | --everything) (--for DURATION | --until TIME | --until-resolved)
                           [--comment TEXT] [--by NAME] [--json]
       tocsin silences end ID [--by NAME] [--json]

Asks the running instance. Alerts that a silence matches go on, and nobody is told of them; when it ends, one message says
what still fires, and what came and went. ls lists what is quiet now or will be.

  --state S          active, pending (still to begin) or ended; default: active and pending
  --limit N          how many ls prints; default 100
  --match KEY=VALUE  level, rule, device, alert or labels.NAME; any number of times. All keys must match, and one of the
                     values of each. Rule and device may hold * and ?
  --alert ID         this alert only
  --everything       every alert there is, and will be
  --for DURATION     how long, such as 2h
  --until TIME       the same as a time, such as 2026-11-24T08:00:00Z
  --until-resolved   until everything that it matches is resolved
  --comment TEXT     why
  --by NAME          who does it; default: your name on this machine
  --json             the API's own answer
  --url URL          the instance; default: http.listen of the config

  tocsin silences add --match labels.site=berlin --match 'rule=fridge-*' --for 2h --comment "defrosting"
  tocsin silences add --alert 3f9c2a --until-resolved
`,
  options: {
    ...CLIENT_OPTIONS,
    ...ACTING_OPTIONS,
    state: { type: 'string' },
    limit: { type: 'string', default: '100' },
    match: { type: 'string', multiple: true, default: [] },
    alert: { type: 'string' },
    everything: { type: 'boolean', default: false },
    'until-resolved': { type: 'boolean', default: false },
  },
  positionalsMax: 2,
  async run({ json, limit, state, by, url, config, set, ...adding }, [verb = 'ls', id]) {
    const client = (): Client => createClient({ url, config, set });
    if (verb === 'add' && id === undefined) {
      const body = silenceOf({ ...adding, by });
      return told(await client().post('/silences', body), json);
    }
    if (verb === 'show' || verb === 'end') {
      if (id === undefined) throw new WrongUsage(`silences ${verb}: which one? tocsin silences ${verb} ID`);
      const path = `/silences/${encodeURIComponent(id)}`;
      return told(verb === 'show' ? await client().get(path) : await client().delete(path, { by: actor(by) }), json);
    }
    if (verb !== 'ls' || id !== undefined) throw new WrongUsage(`silences: expected ls, show ID, add or end ID, found ${id ?? verb}`);
    const most = limitOf(limit);
    if (typeof most === 'string') throw new WrongUsage(most);
    return list(client(), state === undefined ? ['active', 'pending'] : [state], { limit: most, json });
  },
});

interface Adding {
  readonly match: readonly string[];
  readonly alert?: string | undefined;
  readonly everything: boolean;
  readonly 'until-resolved': boolean;
  readonly until?: string | undefined;
  readonly for?: string | undefined;
  readonly comment?: string | undefined;
  readonly by: string | undefined;
}

/** The body of the request. Throws WrongUsage. */
function silenceOf({ match, alert, everything, 'until-resolved': untilResolved, until, for: duration, comment, by }: Adding): object {
  const subjects = [match.length > 0, alert !== undefined, everything].filter(Boolean).length;
  if (subjects !== 1) {
    const what = subjects === 0 ? 'what is to be quiet?' : 'it is said in more than one way what is to be quiet:';
    throw new WrongUsage(`silences add: ${what} one of --match KEY=VALUE (any number of times), --alert ID, --everything`);
  }
  const end = endOption({ until, for: duration });
  const ends = Object.keys(end).length + (untilResolved ? 1 : 0);
  if (ends !== 1) {
    const what = ends === 0 ? 'for how long?' : 'there is one end:';
    throw new WrongUsage(`silences add: ${what} one of --for DURATION, --until TIME, --until-resolved`);
  }
  return {
    ...(match.length > 0 && { match: matchOf(match) }),
    ...(alert !== undefined && { alert }),
    ...(everything && { everything: true }),
    ...end,
    ...(untilResolved && { untilResolved: true }),
    ...(comment !== undefined && { comment }),
    by: actor(by),
  };
}

/** `rule=a`, `rule=b` → `{rule: [a, b]}`. Which keys there are, the instance knows. */
function matchOf(pairs: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const match = new Map<string, string[]>();
  for (const pair of pairs) {
    const [, key, value] = /^([^=]+)=(.+)$/s.exec(pair) ?? [];
    if (key === undefined || value === undefined) {
      throw new WrongUsage(`--match ${pair}: expected KEY=VALUE, such as rule=fridge-* or labels.site=berlin`);
    }
    match.set(key, [...(match.get(key) ?? []), value]);
  }
  return Object.fromEntries(match);
}

/** What is printed of it; there may be more. */
const silenceForm = z.object({
  id: z.string(),
  match: z.record(z.string(), z.array(z.string())),
  by: z.string(),
  comment: z.string(),
  startsAt: z.string(),
  endsAt: z.string().nullable(),
  state: z.string(),
  endedAt: z.string().nullable(),
  endedBy: z.string().nullable(),
  alerts: z.number(),
});
type Silence = z.output<typeof silenceForm>;

async function list(client: Client, states: readonly string[], { limit, json }: { limit: number; json: boolean }): Promise<number> {
  const items: unknown[] = [];
  let isMore = false;
  for (const state of states) {
    // One more than there is room for tells whether there are more.
    const page = await client.list('/silences', { state }, limit + 1 - items.length);
    items.push(...page.items);
    isMore = page.isMore || items.length > limit;
    if (items.length > limit) break;
  }
  const shown = items.slice(0, limit);
  tellOfMore(isMore, limit);
  if (json) {
    printJson(shown);
    return 0;
  }
  const rows = shown.map((item) => {
    const silence = silenceForm.parse(item);
    const { id, state, by, alerts, comment } = silence;
    return [state, matchText(silence), untilText(silence), String(alerts), by, id, oneLine(comment)];
  });
  const head = ['STATE', 'MATCH', 'UNTIL', 'ALERTS', 'BY', 'ID', 'COMMENT'];
  process.stdout.write(rows.length === 0 ? 'no silences\n' : columns([head, ...rows]));
  return 0;
}

function told(answer: unknown, json: boolean): number {
  if (json) {
    printJson(answer);
    return 0;
  }
  const silence = silenceForm.parse(answer);
  const { id, state, by, comment, startsAt, endedAt, endedBy, alerts } = silence;
  const facts = [
    ['state', state],
    ['match', matchText(silence)],
    ['from', `${startsAt} (${age(startsAt)})`],
    ['until', untilText(silence)],
    ...(endedAt === null ? [] : [['ended', `${endedAt} (${age(endedAt)})${endedBy === null ? '' : ` by ${endedBy}`}`]]),
    ['alerts', state === 'active' ? `${alerts} muted now` : String(alerts)],
    ['by', by],
    ['comment', oneLine(comment) || 'none'],
  ];
  process.stdout.write(`${printable(id)}\n${columns(facts, '  ')}`);
  return 0;
}

function matchText({ match }: Silence): string {
  const parts = Object.entries(match).map(([key, values]) => `${key}=${values.join('|')}`);
  return parts.length === 0 ? 'everything' : parts.join(', ');
}

const untilText = ({ endsAt }: Silence): string => (endsAt === null ? 'it is resolved' : `${endsAt} (${age(endsAt)})`);

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
