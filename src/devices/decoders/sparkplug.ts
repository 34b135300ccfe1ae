/**
 * Eclipse Sparkplug B 3.0, on `spBv1.0/<group>/<type>/<edge node>[/<device>]`. Ids are unique only within their edge node and group, so a device
 * is `group/edge` or `group/edge/device`, labelled `group` and `edge`. A metric keeps its name, slashes included.
 *
 * A birth says what a node or device will speak of: names, aliases, types, units (property `engUnit`); it is online from then on. Later
 * messages may give the alias alone: one that no birth has explained is refused, and a rebirth needed. A birth of the node
 * ends what its devices said before. A death takes the node and all devices that it has borne offline, unless its `bdSeq`
 * shows that it is the will of an earlier session. Host applications (`STATE`) are devices that are online or not.
 *
 * No reading: `bdSeq`, `Node Control/*`, `Device Control/*`, octets, files, arrays, template definitions, and values whose property
 * `Quality` says bad (0) or stale (500). The members of a template are `metric.member`, the cells of a data set `metric.row.column`.
 * Commands (`NCMD`, `DCMD`) are addressed to devices and say nothing of them. Historical values stand at their own time, as all do.
 *
 * Source: https://sparkplug.eclipse.org/specification/version/3.0/documents/sparkplug-specification-3.0.0.pdf
 */
import { AVAILABILITY } from '../../domain/device.ts';
import { type Format, type FormatMessage, type Learned, type Part, readText, withRefusals } from './format.ts';
import { isObject, keyed, parseJson } from './json.ts';
import { type RawValue, readPayload, type SparkplugMetric, type SparkplugPayload, type Table } from './sparkplug-payload.ts';
import { Refusal, shown } from './value.ts';

/** What a birth taught of a node or device. */
interface Birth {
  /** Datatypes by name: later messages leave them out. */
  readonly types: Readonly<Record<string, number>>;
  readonly aliases: Readonly<Record<string, string>>;
}

/** Of an edge node: what its death must know. */
interface Session {
  readonly bdSeq: string | null;
  /** Ids of the devices born in it. */
  readonly devices: readonly string[];
}

interface Sender {
  readonly id: string;
  /** The id of the edge node. */
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
}

const NAMESPACE = 'spBv1.0';
/** With the node itself, as many as a message may have readings. */
const DEVICES_MAX = 999;
const VALUES_MAX = 1000;
const NAMES_SHOWN_MAX = 5;
const CONTROL = /^(?:bdSeq$|Node Control\/|Device Control\/)/;
const COMPRESSED = 'SPBV1.0_COMPRESSED';
const SIGNED_BITS: Readonly<Record<number, number>> = { 1: 8, 2: 16, 3: 32, 4: 64 };
const BOOLEAN = 11;
const BAD_QUALITY: ReadonlySet<unknown> = new Set([0n, 500n]);

export const sparkplugB: Format = {
  name: 'sparkplug-b',
  topics: [`${NAMESPACE}/#`],
  namesDevices: true,
  readsEmpty: true,
  bearsTime: true,
  read({ levels, payload }, learned) {
    const namespaceAt = levels.indexOf(NAMESPACE);
    const [group = '', type = '', edge = '', device] = namespaceAt === -1 ? [] : levels.slice(namespaceAt + 1);
    if (group === 'STATE') return readState(type, payload);
    const isOfDevice = type.startsWith('D');
    if (group === '' || edge === '' || (isOfDevice ? !device : device !== undefined))
      return new Refusal('unknown-topic', `expected ${NAMESPACE}/<group>/<type>/<edge node>, and /<device> where the type begins with D`);
    const node = `${group}/${edge}`;
    const sender: Sender = { id: device ? `${node}/${device}` : node, node, labels: { group, edge } };
    if (type === 'NCMD' || type === 'DCMD') return [];
    const message = readPayload(payload);
    if (message instanceof Refusal) return message;
    if (message.uuid === COMPRESSED) return new Refusal('compressed', 'compressed Sparkplug payloads are not read');
    if (type === 'NDATA' || type === 'DDATA') return readData(message, sender, learned);
    if (type === 'NBIRTH' || type === 'DBIRTH') return readBirth(message, sender, learned);
    if (type === 'NDEATH') return readNodeDeath(message, sender, learned);
    if (type === 'DDEATH') return [{ ...about(sender), at: message.timestampMs, values: { [AVAILABILITY]: false } }];
    return new Refusal('unknown-topic', `${shown(type)} is no type of message`);
  },
};

const about = ({ id, labels }: Sender) => ({ device: id, labels, isTyped: true }) as const;
const birthKey = (id: string): string => `sparkplug-b birth ${id}`;
const sessionKey = (node: string): string => `sparkplug-b session ${node}`;
// Only this file writes under these keys, and what it wrote came back as it was.
const birthOf = (id: string, learned: Learned): Birth | null => (learned.get(birthKey(id)) as Birth | undefined) ?? null;
const sessionOf = (node: string, learned: Learned): Session =>
  (learned.get(sessionKey(node)) as Session | undefined) ?? { bdSeq: null, devices: [] };

function readBirth(message: SparkplugPayload, sender: Sender, learned: Learned): readonly Part[] {
  const collected = new Readings(message, sender);
  collected.add(message.timestampMs, AVAILABILITY, true);
  const types = keyed<number>();
  const aliases = keyed<string>();
  const units = keyed<string>();
  for (const metric of message.metrics) {
    const { name, alias, datatype, properties } = metric;
    if (name === null) {
      collected.refuse('parse-error', 'a birth has a metric without a name');
      continue;
    }
    types[name] = datatype;
    if (alias !== null) aliases[alias] = name;
    const unit = properties.get('engUnit');
    if (typeof unit === 'string' && unit !== '') units[name] = unit;
    collected.addMetric(metric, name, datatype);
  }
  beginSession(message, sender, learned);
  if (!learned.set(birthKey(sender.id), { types, aliases } satisfies Birth))
    collected.refuse('too-much-learned', `${sender.id}: there is no more room for what its birth says`);
  if (Object.keys(units).length > 0) learned.describe(sender.id, { units });
  return collected.finish();
}

/** A node's birth begins one, a device's is part of it. */
function beginSession(message: SparkplugPayload, { id, node }: Sender, learned: Learned): void {
  const before = sessionOf(node, learned);
  if (id === node) {
    for (const device of before.devices) learned.set(birthKey(device), null);
    learned.set(sessionKey(node), { bdSeq: bdSeqOf(message), devices: [] } satisfies Session);
  } else if (!before.devices.includes(id) && before.devices.length < DEVICES_MAX) {
    learned.set(sessionKey(node), { ...before, devices: [...before.devices, id] } satisfies Session);
  }
}

function bdSeqOf({ metrics }: SparkplugPayload): string | null {
  const value = metrics.find(({ name }) => name === 'bdSeq')?.value ?? null;
  return value === null ? null : String(value);
}

function readData(message: SparkplugPayload, sender: Sender, learned: Learned): readonly Part[] {
  const birth = birthOf(sender.id, learned);
  const collected = new Readings(message, sender);
  const unknown: string[] = [];
  for (const metric of message.metrics) {
    const name = metric.name ?? ownOf(birth?.aliases, metric.alias ?? '');
    if (name === undefined) unknown.push(metric.alias ?? 'none');
    else collected.addMetric(metric, name, metric.datatype || (ownOf(birth?.types, name) ?? 0));
  }
  if (unknown.length > 0) {
    const more = unknown.length > NAMES_SHOWN_MAX ? ` and ${unknown.length - NAMES_SHOWN_MAX} more` : '';
    const shownAliases = unknown.slice(0, NAMES_SHOWN_MAX).join(', ') + more;
    collected.refuse('unknown-alias', `${sender.id}: no birth explains alias ${shownAliases}; ask its edge node for a rebirth`);
  }
  return collected.finish();
}

const ownOf = <T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
  record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;

/** A will was written when the session began: its time says nothing, and neither does one of a session that is over. */
function readNodeDeath(message: SparkplugPayload, { node, labels }: Sender, learned: Learned): readonly Part[] {
  const { bdSeq, devices } = sessionOf(node, learned);
  const died = bdSeqOf(message);
  if (bdSeq !== null && died !== null && bdSeq !== died) return [];
  return [node, ...devices].map((device) => ({ device, labels, values: { [AVAILABILITY]: false } }));
}

/** @param host the host application's id */
function readState(host: string, payload: FormatMessage['payload']): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal || text === '') return text instanceof Refusal ? text : [];
  // Before 3.0 it was a word.
  if (text === 'ONLINE' || text === 'OFFLINE') return [{ device: host, values: { [AVAILABILITY]: text === 'ONLINE' } }];
  const state = parseJson(text, 'double');
  if (state instanceof Refusal) return state;
  if (!isObject(state) || typeof state.online !== 'boolean') return new Refusal('parse-error', 'a state says {"online": true or false}');
  return [{ device: host, at: state.timestamp, values: { [AVAILABILITY]: state.online } }];
}

/** Values → parts, one for each time. */
class Readings {
  readonly #sender: Sender;
  readonly #timestampMs: number | null;
  readonly #byTime = new Map<number | null, Record<string, unknown>[]>();
  readonly #counts = new Map<Record<string, unknown>, number>();
  readonly #refusals: Refusal[] = [];

  constructor({ timestampMs }: SparkplugPayload, sender: Sender) {
    this.#sender = sender;
    this.#timestampMs = timestampMs;
  }

  refuse(reason: string, detail: string): void {
    if (this.#refusals.length < VALUES_MAX) this.#refusals.push(new Refusal(reason, detail));
  }

  addMetric(metric: SparkplugMetric, name: string, datatype: number): void {
    if (metric.isNull || CONTROL.test(name) || BAD_QUALITY.has(metric.properties.get('Quality'))) return;
    const atMs = metric.timestampMs ?? this.#timestampMs;
    if (metric.value !== null) this.add(atMs, name, valueOfType(metric.value, datatype));
    else if (metric.table !== null) this.#addTable(atMs, name, metric.table);
    for (const member of metric.members) {
      if (member.name !== null)
        this.addMetric({ ...member, timestampMs: member.timestampMs ?? atMs }, `${name}.${member.name}`, member.datatype);
    }
  }

  /** A value that was there already at this time, or one too many for a reading, begins another. */
  add(atMs: number | null, name: string, value: unknown): void {
    const readings = this.#byTime.get(atMs) ?? [];
    if (readings.length === 0) this.#byTime.set(atMs, readings);
    let values = readings.at(-1);
    const count = values === undefined ? 0 : (this.#counts.get(values) ?? 0);
    if (values === undefined || Object.hasOwn(values, name) || count >= VALUES_MAX) {
      values = keyed();
      readings.push(values);
    }
    values[name] = value;
    this.#counts.set(values, (this.#counts.get(values) ?? 0) + 1);
  }

  #addTable(atMs: number | null, name: string, { columns, types, rows }: Table): void {
    if (rows.length * columns.length > VALUES_MAX) {
      this.refuse('too-many-values', `${name}: a data set of ${rows.length} rows; at most ${VALUES_MAX} values are kept`);
      return;
    }
    for (const [index, row] of rows.entries()) {
      for (const [position, column] of columns.entries()) {
        const cell = row[position] ?? null;
        if (cell !== null) this.add(atMs, `${name}.${index}.${column}`, valueOfType(cell, types[position] ?? 0));
      }
    }
  }

  finish(): readonly Part[] {
    const parts: Part[] = [];
    for (const [at, readings] of this.#byTime) for (const values of readings) parts.push({ ...about(this.#sender), at, values });
    return withRefusals(parts, this.#refusals, about(this.#sender));
  }
}

/** Signed integers come as unsigned ones of 32 or 64 bits; what a double cannot hold is text, digit for digit. */
function valueOfType(raw: RawValue, datatype: number): number | boolean | string {
  if (typeof raw !== 'bigint') return raw;
  if (datatype === BOOLEAN) return raw !== 0n;
  const bits = SIGNED_BITS[datatype];
  const integer = bits === undefined ? raw : BigInt.asIntN(bits, raw);
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : String(integer);
}
