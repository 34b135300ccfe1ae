/**
 * One message's way in: topic → route → decoded readings or a rejection → journal → acknowledgement.
 *
 * A message is answered exactly once, and a publish that asks for an acknowledgement only after everything that came of
 * it is durable: its readings, its rejection (what does not decode is quarantined through the journal too, and
 * acknowledged, or the device would send it for ever), its QoS 2 identifier. Answers keep the order of arrival.
 */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { Decoded, DecodedReading, Decoder } from '../devices/decode.ts';
import type { LearnedTable } from '../devices/learned.ts';
import type { DeviceRef, Shape, Value } from '../domain/reading.ts';
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

/** A publish as the broker hands it over; `packetId` counts for QoS 1 and 2 only. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly dup: boolean;
  readonly packetId: number;
  /** MQTT client id; null for a will whose client is gone. */
  readonly client: string | null;
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
  /** A client's session is over: nothing of it counts in the next one. */
  sessionEnded(client: string): void;
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

const OUTCOMES = ['accepted', 'partial', 'ignored', 'quarantined', 'duplicate', 'refused', 'dropped'] as const;
type Outcome = (typeof OUTCOMES)[number];

const COMMIT_WAIT_MS = 5000;
/** A publisher that asks for no acknowledgement waits, too, once this much is on its way to the disk. */
const UNACKNOWLEDGED_BYTES_MAX = 1024 * 1024;
/** How much of the journal's end is read at start to recognise retransmissions. */
const TAIL_ENTRIES_MAX = 250_000;
const TAIL_SLICE_BYTES = 1024 * 1024;

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

interface Metrics {
  readonly messages: Record<Outcome, number>;
  readings: number;
  readonly append: Histogram;
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

  sessionEnded(client: string): void {
    const receivedAt = this.#clock.now();
    for (const packetId of this.#sessions.forget(client)) {
      this.#commit.writer.addQos2Mark({ open: false, client, packetId, hash: 0, receivedAt });
      this.#commit.commit();
    }
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
    const decoded = this.#decoder.decode(route, message.payload, receivedAt, message.client);
    this.#keepLearned(receivedAt);
    const sender = message.client ?? '';
    if (message.qos === 1 && decoded.kind === 'readings' && decoded.readings[0]?.at === null) {
      const hash = hashBytes(message.payload, hashText(message.topic));
      const nowMs = receivedAt / 1000;
      if (message.dup && this.#sessions.isRepeated(sender, message.packetId, hash, nowMs)) return 'duplicate';
      this.#sessions.remember(sender, message.packetId, hash, nowMs);
    }
    return this.#journal(decoded, { topic: message.topic, payload: message.payload, client: sender, receivedAt });
  }

  /** What a message taught is durable before it is acknowledged, like its readings. */
  #keepLearned(receivedAt: number): void {
    for (const { key, json } of this.#decoder.learned.takeChanges()) this.#commit.writer.addLearned({ key, json, receivedAt });
  }

  /** Puts what a message became into the open batch. */
  #journal(decoded: Decoded, source: { topic: string; payload: Uint8Array; client: string; receivedAt: number }): Outcome {
    if (decoded.kind === 'ignored' || decoded.kind === 'refused') return decoded.kind;
    if (decoded.kind === 'rejected') {
      const { device, reason, detail } = decoded;
      this.#commit.writer.addRejection({ ...source, device, reason, detail, partial: false });
      return 'quarantined';
    }
    let taken = 0;
    for (const reading of decoded.readings) {
      const at = this.#timeOf(reading, source.receivedAt);
      if (at === null) continue;
      this.#commit.writer.addReading(reading.device, reading.metrics, reading.values, {
        at,
        receivedAt: source.receivedAt,
        flags: reading.flags,
      });
      taken += 1;
    }
    this.#metrics.readings += taken;
    if (taken === 0 && decoded.readings.length > 0) return 'duplicate';
    for (const { reason, detail } of decoded.rejected) {
      const partial = decoded.readings.length > 0;
      this.#commit.writer.addRejection({ ...source, device: decoded.device, reason, detail, partial });
    }
    if (decoded.rejected.length > 0) return taken > 0 ? 'partial' : 'quarantined';
    return 'accepted';
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

function createMetrics(registry: Registry): Metrics {
  const messages = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  const append = new Histogram({
    name: 'tocsin_journal_append_seconds',
    help: 'Time of a group commit, from hand-over to fsync',
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  });
  const metrics: Metrics = { messages, readings: 0, append };
  new Counter({
    name: 'tocsin_messages_total',
    help: 'Messages received, by what became of them',
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      this.reset();
      for (const outcome of OUTCOMES) this.inc({ outcome }, messages[outcome]);
    },
  });
  new Counter({
    name: 'tocsin_readings_total',
    help: 'Readings journaled',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(metrics.readings);
    },
  });
  return metrics;
}
