/**
 * The readings of a rule test as the journal would hold them: checked against the profile like any other value, so that
 * one out of range is no value, and in the order of their receipt.
 */
import { createDecoder, type Decoder } from '../devices/decode.ts';
import { type DeviceDirectory, type MetricDefinition, metricTypesOf, type Profile } from '../domain/device.ts';
import type { DeviceRef, Value } from '../domain/reading.ts';
import { hintFor } from '../std/form.ts';
import type { ReplayReading } from './replay.ts';
import type { ReadingBlock, RuleTest } from './rule-test-file.ts';
import { GAP } from './step-values.ts';

export interface Arrival {
  readonly device: string;
  readonly receivedAt: number;
  /** As the test wrote them, also those that are no value. */
  readonly written: Readonly<Record<string, Value | null>>;
  /** Null: nothing was left of it. */
  readonly reading: ReplayReading | null;
  /** Why values were refused. */
  readonly refused: readonly string[];
}

interface Surroundings {
  readonly refs: ReadonlyMap<string, DeviceRef>;
  readonly directory: DeviceDirectory;
  readonly report: (message: string, path: readonly PropertyKey[], hint?: string, part?: 'key' | 'value') => void;
}

export function arrivalsOf(test: RuleTest, { refs, directory, report }: Surroundings): Arrival[] {
  const profiles = new Map(directory.profiles.map((profile) => [profile.name, profile]));
  const decoder = decoderOf(refs, directory);
  const raw = test.blocks.flatMap((block) => {
    const ref = refs.get(block.device ?? test.device ?? '');
    if (ref === undefined) throw new Error('a block of readings without a device got past the check of names');
    const profile = ref.profile === null ? undefined : profiles.get(ref.profile);
    checkMetrics(block, profile, report);
    const isTimed = profile !== undefined && profile.time !== null && profile.clock === 'device';
    if (!isTimed && (block.delay > 0 || block.received !== null)) {
      const key = block.delay > 0 ? 'delay' : 'received';
      report(`${ref.id} sends no time of its own: its values count from their receipt`, [...block.path, key], 'leave it out');
    }
    return messagesOf(block, { ref, profile, isTimed, startsAt: test.startsAt });
  });
  // Stable: what is received at the same moment keeps the order of the file.
  raw.sort((a, b) => a.receivedAt - b.receivedAt);
  const lastAt = new Map<string, number>();
  return raw.map((message) => arrivalOf(message, { decoder, lastAt, report }));
}

/** As if the fleet listed every device of the test: that is how the decoder comes to know their profiles. */
function decoderOf(refs: ReadonlyMap<string, DeviceRef>, directory: DeviceDirectory): Decoder {
  const fleet = [...refs.values()].map(({ id, profile, labels }) => ({ id, profile, labels, limits: {}, dependsOn: null }));
  return createDecoder({ ...directory, fleet, unknown: 'accept' }, { devices: 0, metricsPerDevice: 0 });
}

function checkMetrics({ metrics, free, path }: ReadingBlock, profile: Profile | undefined, report: Surroundings['report']): void {
  const types = profile === undefined ? null : metricTypesOf(profile);
  if (profile === undefined || types === null) return;
  const known = [...types.keys()];
  for (const name of metrics.keys()) {
    if (known.includes(name) || free.has(name)) continue;
    const hint = `${hintFor(name, known)} (under values: a metric may have any name)`;
    report(`the profile ${profile.name} has no metric ${name}`, [...path, name], hint, 'key');
  }
}

interface Message {
  readonly ref: DeviceRef;
  /** Device time; null where the device sends none. */
  readonly at: number | null;
  readonly receivedAt: number;
  readonly written: Readonly<Record<string, Value | null>>;
  readonly absent: ReadonlySet<string>;
  readonly path: readonly PropertyKey[];
}

function messagesOf(
  block: ReadingBlock,
  device: { ref: DeviceRef; profile: Profile | undefined; isTimed: boolean; startsAt: number },
): Message[] {
  const { ref, profile, isTimed, startsAt } = device;
  const lists = [...block.metrics];
  const definitions = new Map((profile?.metrics ?? []).map((definition) => [definition.name, definition]));
  const stepsCount = Math.max(...lists.map(([, list]) => list.length));
  const messages: Message[] = [];
  for (let step = 0; step < stepsCount; step++) {
    if (lists.some(([, list]) => list[step] === GAP)) continue;
    const measuredAt = startsAt + block.from + step * block.every;
    const received = block.received === null ? measuredAt + block.delay : Math.max(measuredAt, startsAt + block.received);
    const written: Record<string, Value | null> = {};
    const absent = new Set<string>();
    for (const [name, list] of lists) {
      const value = list[step] ?? null;
      if (typeof value === 'symbol') continue;
      const definition = definitions.get(name);
      // Text is text, also where it consists of digits.
      written[name] = definition?.type === 'text' && value !== null ? String(value) : value;
      if (value === null || isAbsent(value, definition)) absent.add(name);
    }
    messages.push({ ref, at: isTimed ? measuredAt : null, receivedAt: received, written, absent, path: block.path });
  }
  return messages;
}

/** The profile's `absent` are raw values; a test writes them in the metric's unit. */
const isAbsent = (value: Value, definition: MetricDefinition | undefined): boolean =>
  definition?.absent.some((raw) => (typeof raw === 'number' ? raw * definition.scale + definition.offset : raw) === value) ?? false;

function arrivalOf(message: Message, context: { decoder: Decoder; lastAt: Map<string, number>; report: Surroundings['report'] }): Arrival {
  const { ref, at, receivedAt, written, absent, path } = message;
  const { decoder, lastAt, report } = context;
  const present: Record<string, Value> = {};
  for (const [name, value] of Object.entries(written)) if (value !== null && !absent.has(name)) present[name] = value;
  const decoded = decoder.decodeValues(ref.id, present, { at, receivedAt });
  const arrival = { device: ref.id, receivedAt, written };
  if (decoded.kind !== 'readings') {
    if (decoded.kind === 'rejected' && decoded.reason === 'wrong-type') report(decoded.detail, path);
    return { ...arrival, reading: null, refused: decoded.kind === 'ignored' ? [] : [decoded.detail] };
  }
  for (const { reason, detail } of decoded.rejected) if (reason === 'wrong-type') report(detail, path);
  const [reading] = decoded.readings;
  if (reading === undefined) return { ...arrival, reading: null, refused: [] };
  // A burst within one moment stays as many readings, as at the ingest.
  const receiptTime = Math.max(receivedAt, (lastAt.get(ref.id) ?? Number.NEGATIVE_INFINITY) + 1);
  if (reading.at === null) lastAt.set(ref.id, receiptTime);
  const { metrics, values, flags } = reading;
  const refused = decoded.rejected.map(({ detail }) => detail);
  return { ...arrival, reading: { device: ref, at: reading.at ?? receiptTime, receivedAt, flags, metrics, values }, refused };
}
