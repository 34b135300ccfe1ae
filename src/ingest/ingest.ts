/**
 * One message's way in: topic → route → decoded readings or a rejection → journal → acknowledgement.
 *
 * A message is answered exactly once, and a publish that asks for an acknowledgement only after everything that came of
 * it is durable: its readings, its rejection (what does not decode is quarantined through the journal too, and
 * acknowledged, or the device would send it for ever), its QoS 2 identifier. Answers keep the order of arrival.
 */
import type { Registry } from 'prom-client';
import type { Decoded, DecodedReading, Decoder } from '../devices/decode.ts';
import type { LearnedTable } from '../devices/learned.ts';
import type { DeviceRef, Rejection, Shape, Value } from '../domain/reading.ts';
import { FLAG_DEVICE_TIME } from '../domain/reading.ts';
import { readBatch } from '../journal/batch-reader.ts';
import { GroupCommit, NotDurable } from '../journal/group-commit.ts';
import type { Batch, Journal, Partition, Position } from '../journal/journal.ts';
import { JournalFull } from '../journal/journal.ts';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import { observeBounds } from './bounds-metrics.ts';
import { ReadingWindow, SessionWindow } from './duplicates.ts';
import { hashBytes, hashText } from './hash.ts';
import { createMetrics, type Metrics, type Outcome } from './ingest-metrics.ts';
import { type Replayed, replayInto } from './replay.ts';

/** A publish as the broker hands it over; `packetId` counts for QoS 1 and 2 only. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly dup: boolean;
  readonly packetId: number;
  /** MQTT client id; null for a will whose client is gone. */
  readonly client: string | null;
  /** The device as which the client has logged in; left out or null: it has not as one. */
  readonly device?: string | null;
}

/** What a client of the HTTP API posts: values under their metrics' names; `at` in µs. */
export interface PostedReading {
  readonly device: string;
  readonly at?: number;
  readonly values: Readonly<Record<string, Value>>;
}

export interface Ingest {
  /** Calls back with null when the message may be acknowledged, with an error when it must not be. */
  accept(message: Message, done: (error: Error | null) => void): void;
  post(
    readings: readonly PostedReading[],
    client: string,
  ): Promise<{ accepted: number; rejected: { index: number; reason: string; detail: string }[] }>;
  /**
   * A reading of this program's own device, which no client may send: journaled like any, and counted nowhere as received.
   * Resolves when it is durable. @param values under their metrics' names, in the order of `metrics`
   */
  postOwn(device: DeviceRef, metrics: Shape, values: readonly Value[]): Promise<void>;
  /**
   * Decodes what was kept in the quarantine again, by the present profiles: into history alone, or before rules as well. Resolves when what
   * came of it is durable, with an answer for each.
   */
  replay(kept: readonly Rejection[], options: { readonly rules: boolean }): Promise<readonly Replayed[]>;
  /** A client's session is over: nothing of it counts in the next one. */
  sessionEnded(client: string): void;
  /** Whether a client that sends this at QoS 2 had then begun more than so many messages, over all its connections, without releasing them. */
  hasTooManyOpen(client: string, packetId: number, openMax: number): boolean;
  /** PUBREL: resolves when the identifier's release is durable, and must not be answered when it rejects. */
  released(client: string, packetId: number): Promise<void>;
  /** A message that the access rules acknowledge and drop: answered in its turn, after what the client sent before it. */
  refuse(qos: 0 | 1 | 2, done: (error: Error | null) => void): void;
  /** From the next message on, bytes mean what this one says. */
  useDecoder(decoder: Decoder): void;
  /** How many messages wait for their fsync. */
  waiting(): number;
  /** Calls back when those that wait now have been answered. */
  whenAnswered(callback: () => void): void;
  drained(): Promise<void>;
}

const COMMIT_WAIT_MS = 5000;
/** A publisher that asks for no acknowledgement waits, too, once this much is on its way to the disk. */
const UNACKNOWLEDGED_BYTES_MAX = 1024 * 1024;
/** How much of the journal's end is read at start to recognise retransmissions. */
const TAIL_ENTRIES_MAX = 250_000;
const TAIL_SLICE_BYTES = 1024 * 1024;
/** The least that a reading takes in a message, about. The most is what a message may hold. */
const SPARE_BYTES = 8;
const SPARE_US_MAX = 1000;

export interface IngestOptions {
  readonly decoder: Decoder;
  readonly journal: Journal;
  readonly partition: Partition;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly commitWaitMs?: number;
  /** Up to which position the decoder knows already what it has learned. */
  readonly learnedUpTo?: Position;
}

export async function createIngest(options: IngestOptions): Promise<Ingest> {
  const { clock, logger, journal, partition } = options;
  const metrics = createMetrics(options.registry);
  const readings = new ReadingWindow();
  const sessions = new SessionWindow();
  await recallTail(journal, partition, { readings, sessions });
  await recallLearned(journal, partition, { from: options.learnedUpTo ?? 0, learned: options.decoder.learned });
  const commit = new GroupCommit({
    journal,
    partition,
    clock,
    logger,
    commitWaitMs: options.commitWaitMs ?? COMMIT_WAIT_MS,
    onAppend: (seconds) => metrics.append.observe(seconds),
    onDropped: (batch) => forgetDropped(batch, { readings, sessions, learned: options.decoder.learned }),
  });
  const ingest = new JournalIngest(options.decoder, commit, clock, readings, sessions, metrics);
  observeBounds(options.registry, () => ingest.decoder);
  return ingest;
}

class JournalIngest implements Ingest {
  #decoder: Decoder;
  readonly #commit: GroupCommit;
  readonly #clock: Clock;
  readonly #readings: ReadingWindow;
  readonly #sessions: SessionWindow;
  readonly #metrics: Metrics;

  constructor(decoder: Decoder, commit: GroupCommit, clock: Clock, readings: ReadingWindow, sessions: SessionWindow, metrics: Metrics) {
    this.#decoder = decoder;
    this.#commit = commit;
    this.#clock = clock;
    this.#readings = readings;
    this.#sessions = sessions;
    this.#metrics = metrics;
  }

  accept(message: Message, done: (error: Error | null) => void): void {
    if (this.#commit.isOverloaded) {
      this.#count(message.qos === 0 ? 'dropped' : 'refused');
      done(message.qos === 0 ? null : new NotDurable('the journal is behind: too much waits to be written'));
      return;
    }
    if (message.qos === 0 && this.#commit.isRefusing) {
      this.#count('dropped');
      done(null);
      return;
    }
    const repeated = message.qos === 2 && this.#repeatsExchange(message);
    this.#count(repeated ? 'duplicate' : this.#take(message));
    if (message.qos > 0 || this.#commit.writer.sizeBytes > UNACKNOWLEDGED_BYTES_MAX) {
      this.#commit.whenDurable(done);
      return;
    }
    if (this.#commit.writer.count > 0) this.#commit.commit();
    done(null);
  }

  async post(posted: readonly PostedReading[], client: string): ReturnType<Ingest['post']> {
    if (this.#commit.isOverloaded || this.#commit.isRefusing) throw new JournalFull('the journal takes no readings at present');
    const receivedAt = this.#clock.now();
    const rejected: { index: number; reason: string; detail: string }[] = [];
    let accepted = 0;
    for (const [index, reading] of posted.entries()) {
      const decoded = this.#decoder.decodeValues(reading.device, reading.values, { at: reading.at ?? null, receivedAt });
      const source = { topic: '', payload: Buffer.from(JSON.stringify(reading)), client, receivedAt };
      const outcome = this.#journal(decoded, source);
      this.#count(outcome);
      if (decoded.kind === 'rejected') rejected.push({ index, reason: decoded.reason, detail: decoded.detail });
      if (decoded.kind === 'refused') rejected.push({ index, reason: 'unknown-device', detail: decoded.detail });
      if (decoded.kind === 'readings') rejected.push(...decoded.rejected.map((part) => ({ index, ...part })));
      if (outcome === 'accepted' || outcome === 'partial' || outcome === 'duplicate') accepted += 1;
    }
    await this.#durable();
    return { accepted, rejected };
  }

  postOwn(device: DeviceRef, metrics: Shape, values: readonly Value[]): Promise<void> {
    if (this.#commit.isOverloaded || this.#commit.isRefusing)
      return Promise.reject(new JournalFull('the journal takes no readings at present'));
    const receivedAt = this.#clock.now();
    this.#commit.writer.addReading(device, metrics, values, {
      at: this.#readings.receiptTime(device.id, receivedAt),
      receivedAt,
      flags: 0,
    });
    return this.#durable();
  }

  async replay(kept: readonly Rejection[], { rules }: { readonly rules: boolean }): Promise<readonly Replayed[]> {
    if (this.#commit.isOverloaded || this.#commit.isRefusing) throw new JournalFull('the journal takes no readings at present');
    const now = this.#clock.now();
    const { writer } = this.#commit;
    const replayed = kept.map((rejection) => replayInto(writer, rejection, { decoder: this.#decoder, now, rules }));
    for (const { readings } of replayed) this.#metrics.readings += readings;
    this.#keepLearned(now);
    await this.#durable();
    return replayed;
  }

  sessionEnded(client: string): void {
    const receivedAt = this.#clock.now();
    for (const packetId of this.#sessions.forget(client)) {
      this.#commit.writer.addQos2Mark({ open: false, client, packetId, hash: 0, receivedAt });
      this.#commit.commit();
    }
  }

  hasTooManyOpen(client: string, packetId: number, openMax: number): boolean {
    return this.#sessions.openExchanges(client) >= openMax && this.#sessions.exchange(client, packetId) === undefined;
  }

  async released(client: string, packetId: number): Promise<void> {
    const hash = this.#sessions.exchange(client, packetId);
    if (hash === undefined) return;
    this.#sessions.end(client, packetId);
    this.#commit.writer.addQos2Mark({ open: false, client, packetId, hash, receivedAt: this.#clock.now() });
    try {
      await this.#durable();
    } catch (error) {
      // The journal has it open still, and so has the client, which sends PUBREL again.
      if (this.#sessions.exchange(client, packetId) === undefined) this.#sessions.begin(client, packetId, hash);
      throw error;
    }
  }

  refuse(qos: 0 | 1 | 2, done: (error: Error | null) => void): void {
    this.#count('refused');
    if (qos > 0) this.#commit.whenDurable(done);
    else done(null);
  }

  get decoder(): Decoder {
    return this.#decoder;
  }

  useDecoder(decoder: Decoder): void {
    this.#decoder = decoder;
  }

  waiting(): number {
    return this.#commit.waiting;
  }

  whenAnswered(callback: () => void): void {
    this.#commit.whenDurable(() => callback());
  }

  drained(): Promise<void> {
    return this.#commit.drained();
  }

  #durable(): Promise<void> {
    return new Promise((resolve, reject) => this.#commit.whenDurable((error) => (error === null ? resolve() : reject(error))));
  }

  /** A QoS 2 publish under an identifier that PUBREL has not released yet. A new one is noted, to be journaled with its readings. */
  #repeatsExchange(message: Message): boolean {
    if (message.client === null) return false;
    const hash = hashBytes(message.payload, hashText(message.topic));
    if (this.#sessions.exchange(message.client, message.packetId) === hash) return true;
    this.#sessions.begin(message.client, message.packetId, hash);
    const { client, packetId } = message;
    this.#commit.writer.addQos2Mark({ open: true, client, packetId, hash, receivedAt: this.#clock.now() });
    return false;
  }

  #take(message: Message): Outcome {
    const route = this.#decoder.route(message.topic);
    if (route === null) return 'ignored';
    const receivedAt = this.#clock.now();
    const decoded = this.#decoder.decode(route, message.payload, receivedAt, message.device ?? message.client);
    this.#keepLearned(receivedAt);
    const sender = message.client ?? '';
    if (message.qos === 1 && decoded.kind === 'readings' && decoded.readings[0]?.at === null) {
      const hash = hashBytes(message.payload, hashText(message.topic));
      const nowMs = receivedAt / 1000;
      if (message.dup && this.#sessions.isRepeated(sender, message.packetId, hash, nowMs)) return 'duplicate';
      this.#sessions.remember(sender, message.packetId, hash, nowMs);
    }
    const source = { topic: message.topic, payload: message.payload, client: sender, receivedAt };
    return this.#journal(decoded, source, route.device?.id ?? null);
  }

  /** What a message taught is durable before it is acknowledged, like its readings. */
  #keepLearned(receivedAt: number): void {
    for (const { key, json } of this.#decoder.learned.takeChanges()) this.#commit.writer.addLearned({ key, json, receivedAt });
  }

  /**
   * Puts what a message became into the open batch. One of which something is rejected has a time of receipt that no other reading of its
   * devices has: there, what is mended later finds its place. @param admitted the device that the topic names, if it may speak
   */
  #journal(decoded: Decoded, source: Source, admitted: string | null = null): Outcome {
    if (decoded.kind === 'ignored' || decoded.kind === 'refused') return decoded.kind;
    const readings = decoded.kind === 'readings' ? decoded.readings : [];
    const rejected = decoded.kind === 'readings' ? decoded.rejected : [decoded];
    const devices = rejected.length === 0 ? NO_DEVICES : devicesOf(readings, admitted);
    const receivedAt = rejected.length === 0 ? source.receivedAt : this.#readings.freeTime(devices, source.receivedAt);
    let taken = 0;
    for (const reading of readings) {
      const at = this.#timeOf(reading, receivedAt);
      if (at === null) continue;
      const times = { at, receivedAt: source.receivedAt, flags: reading.flags };
      this.#commit.writer.addReading(reading.device, reading.metrics, reading.values, times);
      taken += 1;
    }
    this.#metrics.readings += taken;
    if (taken === 0 && readings.length > 0) return 'duplicate';
    for (const { reason, detail } of rejected) {
      const rejection = { ...source, receivedAt, device: decoded.device, reason, detail, partial: readings.length > 0 };
      this.#commit.writer.addRejection(rejection, source.receivedAt);
    }
    if (rejected.length === 0) return 'accepted';
    this.#readings.keepFree(devices, receivedAt + spareUs(source.payload));
    return taken > 0 ? 'partial' : 'quarantined';
  }

  /** The reading's time, or null when it is a retransmission. */
  #timeOf(reading: DecodedReading, receivedAt: number): number | null {
    const { device } = reading;
    if (reading.at === null || (reading.flags & FLAG_DEVICE_TIME) === 0) return this.#readings.receiptTime(device.id, receivedAt);
    return this.#readings.isRepeated(device.id, reading.at, reading.metrics, reading.values) ? null : reading.at;
  }

  #count(outcome: Outcome): void {
    this.#metrics.messages[outcome] += 1;
  }
}

interface Source {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly client: string;
  readonly receivedAt: number;
}

const NO_DEVICES: readonly string[] = [];

const devicesOf = (readings: readonly DecodedReading[], admitted: string | null): readonly string[] => [
  ...new Set([...(admitted === null ? [] : [admitted]), ...readings.map(({ device }) => device.id)]),
];

/** How long after a message no other reading may be, as its own are a microsecond apart when it is mended: as many as may be in it. */
const spareUs = (payload: Uint8Array): number => Math.min(SPARE_US_MAX, Math.floor(payload.length / SPARE_BYTES));

/** What the journal did not take is sent again, and must not be taken for a repetition then. */
function forgetDropped(batch: Batch, windows: { readings: ReadingWindow; sessions: SessionWindow; learned: LearnedTable }): void {
  windows.sessions.forgetPublishes();
  readBatch(batch.bytes, {
    reading: (reading) => windows.readings.forget(reading),
    qos2: ({ open, client, packetId, hash }) => {
      if (open && windows.sessions.exchange(client, packetId) === hash) windows.sessions.end(client, packetId);
    },
    learned: (mark) => windows.learned.owe(mark),
  });
}

async function recallTail(
  journal: Journal,
  partition: Partition,
  windows: { readings: ReadingWindow; sessions: SessionWindow },
): Promise<void> {
  const { first, head } = journal.range(partition);
  let position = Math.max(first, head - TAIL_ENTRIES_MAX);
  while (position < head) {
    const slice = await journal.read(null, partition, position, { bytesMax: TAIL_SLICE_BYTES, waitMs: 0 });
    for (const batch of slice.batches) {
      readBatch(batch.bytes, {
        reading: (reading) => windows.readings.recall(reading),
        qos2: (mark) => windows.sessions.recall(mark),
      });
      position = batch.first + batch.count;
    }
  }
}

async function recallLearned(
  journal: Journal,
  partition: Partition,
  { from, learned }: { from: Position; learned: LearnedTable },
): Promise<void> {
  const { first, head } = journal.range(partition);
  let position = Math.max(first, from);
  while (position < head) {
    const slice = await journal.read(null, partition, position, { bytesMax: TAIL_SLICE_BYTES, waitMs: 0 });
    for (const batch of slice.batches) {
      readBatch(batch.bytes, { learned: (mark) => learned.recall(mark) }, { from: Math.max(0, position - batch.first) });
      position = batch.first + batch.count;
    }
  }
}
