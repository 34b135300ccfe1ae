/** `tocsin devices`: the devices of the running instance, one of them with its values and limits, and a profile for what is published. */
import * as z from 'zod';
import { formatDurationMs } from '../std/quantity.ts';
import { type Client, createClient } from './client.ts';
import { CLIENT_OPTIONS, defineCommand, WrongUsage } from './command.ts';
import { learnProfile } from './learn-profile.ts';
import { age, columns, labelsText, limitOf, printable, printJson, tellOfMore, valueText } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin devices [ls] [--offline] [--limit N] [--json]
       tocsin devices show ID [--json]
       tocsin devices learn [-] [--topic FILTER] [--for 30s] [--mqtt URL] [--name NAME]

Asks the running instance. ls lists devices by id; show prints one: its values with units and age, and the limits that
count for it with where each comes from. A device is online, or not, as far as messages say so (a will, a birth, a bridge);
how long it has been silent is another matter.

  --offline    only devices that are said to be offline
  --limit N    how many ls prints; default 100
  --json       the API's own answer
  --url URL    the instance; default: http.listen of the config

learn listens to the broker for a while and prints a profile for what is published most: topic, format, time, interval, and
metrics with their units and what was observed of them; look it over and put it into devices/profiles/. With - it reads a
recording from stdin, a line of JSON a message: {"topic": …, "payload": … or "payloadBase64": …, "at": …}, which
mosquitto_sub -F %j writes, too.

  --topic FILTER   what to listen to; default #, which is everything
  --for 30s        how long; nothing is learned of intervals that are longer
  --mqtt URL       the broker; default: the first of mqtt.listeners of the config
  --name NAME      of the profile

  tocsin devices learn --topic 'greenhouse/#' --for 10m > devices/profiles/greenhouse.yaml
`,
  options: {
    ...CLIENT_OPTIONS,
    limit: { type: 'string', default: '100' },
    offline: { type: 'boolean', default: false },
    topic: { type: 'string', default: '#' },
    for: { type: 'string', default: '30s' },
    mqtt: { type: 'string' },
    name: { type: 'string' },
  },
  positionalsMax: 2,
  async run({ json, limit, offline, topic, for: duration, mqtt, name, ...address }, [verb = 'ls', id]) {
    if (verb === 'learn' && (id === undefined || id === '-')) {
      const { config, set } = address;
      return learnProfile({ topic, for: duration, mqtt, name, config, set, isRecorded: id === '-' });
    }
    const client = (): Client => createClient(address);
    if (verb === 'show' && id !== undefined) return show(client(), id, json);
    if (verb === 'show') throw new WrongUsage('devices show: which one? tocsin devices show ID');
    if (verb !== 'ls' || id !== undefined) throw new WrongUsage(`devices: expected ls, show ID or learn, found ${id ?? verb}`);
    const most = limitOf(limit);
    if (typeof most === 'string') throw new WrongUsage(most);
    return list(client(), { limit: most, isOffline: offline }, json);
  },
});

const value = z.union([z.number(), z.boolean(), z.string()]);
/** What is printed of it; there may be more. */
const deviceForm = z.object({
  id: z.string(),
  name: z.string().nullish(),
  profile: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  limits: z.record(z.string(), z.number()),
  limitOrigins: z.record(z.string(), z.string()).optional(),
  listed: z.boolean(),
  firstSeen: z.string().nullable(),
  lastSeen: z.string().nullable(),
  online: z.boolean().nullish(),
  readings: z.number(),
  maxGapMs: z.number(),
  clockSkewMs: z.number().nullish(),
  dependsOn: z.string().nullish(),
  values: z.record(z.string(), z.object({ value, at: z.string(), unit: z.string().nullish() })),
});
type Device = z.output<typeof deviceForm>;
const VALUES_IN_LIST = 4;

async function list(client: Client, which: { limit: number; isOffline: boolean }, json: boolean): Promise<number> {
  const { limit, isOffline } = which;
  const { items, isMore } = await client.list('/devices', isOffline ? { online: 'false' } : {}, limit);
  tellOfMore(isMore, limit);
  if (json) {
    printJson(items);
    return 0;
  }
  const devices = items.map((item) => deviceForm.parse(item));
  // Most devices have no name but their id.
  const hasNames = devices.some(({ name }) => name != null);
  const rows = devices.map(({ id, name, profile, online, lastSeen, values }) => {
    const shown = Object.entries(values).slice(0, VALUES_IN_LIST);
    const latest = shown.map(([metric, { value: of, unit }]) => `${metric} ${valueText(of, unit ?? null)}`).join(', ');
    return [id, ...(hasNames ? [name ?? '-'] : []), profile ?? '-', onlineText(online), age(lastSeen), latest];
  });
  const head = ['DEVICE', ...(hasNames ? ['NAME'] : []), 'PROFILE', 'ONLINE', 'LAST SEEN', 'VALUES'];
  const nothing = isOffline ? 'no device is said to be offline\n' : 'no devices yet\n';
  process.stdout.write(rows.length === 0 ? nothing : columns([head, ...rows]));
  return 0;
}

async function show(client: Client, id: string, json: boolean): Promise<number> {
  const answer = await client.get(`/devices/${encodeURIComponent(id)}`);
  if (json) {
    printJson(answer);
    return 0;
  }
  const device = deviceForm.parse(answer);
  process.stdout.write(`${printable(device.id)}\n${columns(factsOf(device), '  ')}`);
  const values = Object.entries(device.values).map(([name, latest]) => [
    name,
    valueText(latest.value, latest.unit ?? null),
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
  const { name, profile, labels, listed, dependsOn, online, firstSeen, lastSeen, readings, maxGapMs, clockSkewMs } = device;
  const skew = clockSkewMs ?? 0;
  const side = skew < 0 ? 'behind' : 'ahead';
  return [
    ...(name == null ? [] : [['name', name]]),
    ['profile', profile ?? 'none'],
    ['labels', labelsText(labels) || 'none'],
    ['listed', listed ? 'in the fleet file' : 'no'],
    ...(dependsOn == null ? [] : [['depends on', dependsOn]]),
    ['online', online == null ? 'not known: no message says so' : online ? 'yes' : 'no'],
    ['last seen', lastSeen === null ? 'never' : `${lastSeen} (${age(lastSeen)})`],
    ['first seen', firstSeen ?? 'never'],
    ['readings', String(readings)],
    ['values count for', formatDurationMs(maxGapMs)],
    ...(clockSkewMs == null ? [] : [['clock', skew === 0 ? 'right' : `${formatDurationMs(Math.abs(skew))} ${side}`]]),
  ];
}

const onlineText = (online: boolean | null | undefined): string => (online == null ? '-' : online ? 'yes' : 'no');
