/** `tocsin devices`: the devices of the running instance, and one of them with its values and limits. */
import * as z from 'zod';
import { formatDurationMs } from '../std/quantity.ts';
import { type Client, createClient } from './client.ts';
import { CLIENT_OPTIONS, defineCommand, WrongUsage } from './command.ts';
import { age, columns, labelsText, limitOf, printable, printJson, tellOfMore, valueText } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin devices [ls] [--limit N] [--json]
       tocsin devices show ID [--json]

Asks the running instance. ls lists devices by id; show prints one: its values with units and age, and the limits that
count for it with where each comes from.

  --limit N    how many ls prints; default 100
  --json       the API's own answer
  --url URL    the instance; default: http.listen of the config
`,
  options: { ...CLIENT_OPTIONS, limit: { type: 'string', default: '100' } },
  positionalsMax: 2,
  async run({ json, limit, ...address }, [verb = 'ls', id]) {
    const client = (): Client => createClient(address);
    if (verb === 'show' && id !== undefined) return show(client(), id, json);
    if (verb === 'show') throw new WrongUsage('devices show: which one? tocsin devices show ID');
    if (verb !== 'ls' || id !== undefined) throw new WrongUsage(`devices: expected ls or show ID, found ${id ?? verb}`);
    const most = limitOf(limit);
    if (typeof most === 'string') throw new WrongUsage(most);
    return list(client(), most, json);
  },
});

const value = z.union([z.number(), z.boolean(), z.string()]);
/** What is printed of it; there may be more. */
const deviceForm = z.object({
  id: z.string(),
  profile: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  limits: z.record(z.string(), z.number()),
  limitOrigins: z.record(z.string(), z.string()).optional(),
  listed: z.boolean(),
  firstSeen: z.string().nullable(),
  lastSeen: z.string().nullable(),
  readings: z.number(),
  maxGapMs: z.number(),
  clockSkewMs: z.number().nullish(),
  dependsOn: z.string().nullish(),
  values: z.record(z.string(), z.object({ value, at: z.string() })),
});
type Device = z.output<typeof deviceForm>;
const VALUES_IN_LIST = 4;

async function list(client: Client, limit: number, json: boolean): Promise<number> {
  const { items, isMore } = await client.list('/devices', {}, limit);
  tellOfMore(isMore, limit);
  if (json) {
    printJson(items);
    return 0;
  }
  const devices = items.map((item) => deviceForm.parse(item));
  const rows = devices.map(({ id, profile, lastSeen, values }) => {
    const shown = Object.entries(values).slice(0, VALUES_IN_LIST);
    return [id, profile ?? '-', age(lastSeen), shown.map(([name, latest]) => `${name} ${valueText(latest.value)}`).join(', ')];
  });
  process.stdout.write(rows.length === 0 ? 'no devices yet\n' : columns([['DEVICE', 'PROFILE', 'LAST SEEN', 'VALUES'], ...rows]));
  return 0;
}

async function show(client: Client, id: string, json: boolean): Promise<number> {
  const answer = await client.get(`/devices/${encodeURIComponent(id)}`);
  if (json) {
    printJson(answer);
    return 0;
  }
  const device = deviceForm.parse(answer);
  const units = device.profile === null ? {} : await unitsOf(client, device.profile);
  process.stdout.write(`${printable(device.id)}\n${columns(factsOf(device), '  ')}`);
  const values = Object.entries(device.values).map(([name, latest]) => [
    name,
    valueText(latest.value, units[name] ?? null),
    age(latest.at),
  ]);
  process.stdout.write(values.length === 0 ? 'no values yet\n' : `values\n${columns(values, '  ')}`);
  const limits = Object.entries(device.limits).map(([name, limit]) => [
    name,
    valueText(limit),
    ...(device.limitOrigins?.[name] === undefined ? [] : [`from ${device.limitOrigins[name]}`]),
  ]);
  if (limits.length > 0) process.stdout.write(`limits\n${columns(limits, '  ')}`);
  return 0;
}

function factsOf(device: Device): string[][] {
  const { profile, labels, listed, dependsOn, firstSeen, lastSeen, readings, maxGapMs, clockSkewMs } = device;
  const skew = clockSkewMs ?? 0;
  const side = skew < 0 ? 'behind' : 'ahead';
  return [
    ['profile', profile ?? 'none'],
    ['labels', labelsText(labels) || 'none'],
    ['listed', listed ? 'in the fleet file' : 'no'],
    ...(dependsOn == null ? [] : [['depends on', dependsOn]]),
    ['last seen', lastSeen === null ? 'never' : `${lastSeen} (${age(lastSeen)})`],
    ['first seen', firstSeen ?? 'never'],
    ['readings', String(readings)],
    ['values count for', formatDurationMs(maxGapMs)],
    ...(clockSkewMs == null ? [] : [['clock', skew === 0 ? 'right' : `${formatDurationMs(Math.abs(skew))} ${side}`]]),
  ];
}

const directoryForm = z.object({
  directory: z.object({
    profiles: z.array(z.object({ name: z.string(), metrics: z.array(z.object({ name: z.string(), unit: z.string().nullable() })) })),
  }),
});

async function unitsOf(client: Client, name: string): Promise<Readonly<Record<string, string | null>>> {
  const { directory } = directoryForm.parse(await client.get('/configuration'));
  const profile = directory.profiles.find((candidate) => candidate.name === name);
  return Object.fromEntries((profile?.metrics ?? []).map((metric) => [metric.name, metric.unit]));
}
