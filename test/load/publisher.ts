/**
 * A load publisher: N connections, each with a window of unacknowledged QoS 1 publishes, over raw sockets.
 *
 * It guarantees that it costs little: every connection builds a ring of packets once (packet identifier = slot + 1) and from
 * then on only writes slices of it. That relies on acknowledgements coming in the order of the publishes, as MQTT-4.6.0-2
 * wants; one that does not is counted as `outOfOrder` and the run is worthless.
 *
 * As a program it is forked with its options as a JSON argument and tells its parent, by message, when it is connected,
 * measuring, measured (at that moment the parent looks at the server) and done.
 */
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/std/clock.ts';
import { Histogram } from './histogram.ts';
import { deviceName, seededRandom, telemetryPayload, telemetryTopic } from './telemetry.ts';
import {
  CONNACK,
  connectPacket,
  disconnectPacket,
  PacketScanner,
  PUBACK,
  PUBLISH,
  publishPacket,
  SUBACK,
  subscribePacket,
} from './wire.ts';

export interface PublisherOptions {
  readonly port: number;
  readonly connections: number;
  /** Unacknowledged publishes a connection. */
  readonly window: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly seed: number;
  /** At least one a connection; more are dealt out over the connections. */
  readonly devices?: number;
  readonly devicePrefix?: string;
  /** Publishes a second in all; absent: as many as are acknowledged. */
  readonly rate?: number;
  /** Topic filters of subscribers (QoS 0) in this process, each on a connection of its own. */
  readonly subscribe?: readonly string[];
}

export interface PublisherResult {
  readonly seconds: number;
  readonly acknowledged: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly ackMaxMs: number;
  /** CPU of the publisher itself while measuring. */
  readonly cpuSeconds: number;
  /** PUBLISH packets that the subscribers received while measuring. */
  readonly received: number;
  readonly outOfOrder: number;
  readonly lostConnections: number;
}

export type PublisherEvent =
  | { readonly event: 'connected' }
  | { readonly event: 'measuring' }
  | { readonly event: 'measured'; readonly result: PublisherResult }
  /** Everything sent is acknowledged, or the wait for it ran out. */
  | { readonly event: 'done'; readonly sent: number; readonly acknowledged: number };

const RING_BYTES_MAX = 48 * 1024 * 1024;
const RING_SLOTS_MAX = 4096;
const RING_SLOTS_MIN = 64;
const PACKET_BYTES = 70;
/** Connections opened at once: below the usual listen backlog. */
const CONNECTING_MAX = 50;
const CONNECT_WAIT_MS = 20_000;
const DRAIN_WAIT_MS = 15_000;
const TICK_MS = 4;
/** Every so many publishes of a connection one is timed. */
const SAMPLE_EVERY = 16;

interface Tally {
  acknowledged: number;
  sent: number;
  received: number;
  outOfOrder: number;
  lostConnections: number;
  measuring: boolean;
  latency: Histogram;
}

class PublisherConnection {
  readonly #socket: Socket;
  readonly #ring: Buffer;
  /** Slot i is `ring[offsets[i], offsets[i + 1])`. */
  readonly #offsets: Uint32Array;
  readonly #slots: number;
  readonly #window: number;
  readonly #tally: Tally;
  readonly #sampleTimes: Float64Array;
  #sent = 0;
  #acknowledged = 0;
  #sending = false;
  #selfPaced = false;

  constructor(socket: Socket, options: { packets: readonly Buffer[]; window: number; tally: Tally }) {
    this.#socket = socket;
    this.#ring = Buffer.concat(options.packets);
    this.#slots = options.packets.length;
    this.#window = options.window;
    this.#tally = options.tally;
    this.#offsets = new Uint32Array(this.#slots + 1);
    for (const [slot, packet] of options.packets.entries()) this.#offsets[slot + 1] = (this.#offsets[slot] ?? 0) + packet.length;
    this.#sampleTimes = new Float64Array(Math.ceil(options.window / SAMPLE_EVERY) + 2);
  }

  get outstanding(): number {
    return this.#sent - this.#acknowledged;
  }

  /** Publishes whenever something was acknowledged, until `stop`. */
  start(): void {
    this.#sending = true;
    this.#selfPaced = true;
    this.send(this.#window);
  }

  startPaced(): void {
    this.#sending = true;
  }

  stop(): void {
    this.#sending = false;
  }

  /** One or two writes for up to `wanted` publishes; fewer when the window is full. Answers how many. */
  send(wanted: number): number {
    const count = Math.min(wanted, this.#window - this.outstanding);
    if (count <= 0 || !this.#sending || this.#socket.destroyed) return 0;
    this.#noteSamples(count);
    const first = this.#sent % this.#slots;
    const last = first + count;
    this.#write(first, Math.min(last, this.#slots));
    if (last > this.#slots) this.#write(0, last - this.#slots);
    this.#sent += count;
    this.#tally.sent += count;
    return count;
  }

  acknowledge(packetId: number): void {
    if (packetId !== (this.#acknowledged % this.#slots) + 1) this.#tally.outOfOrder += 1;
    if (this.#acknowledged % SAMPLE_EVERY === 0 && this.#tally.measuring) {
      const sentAt = this.#sampleTimes[(this.#acknowledged / SAMPLE_EVERY) % this.#sampleTimes.length] ?? 0;
      this.#tally.latency.record(systemClock.monotonicMs() - sentAt);
    }
    this.#acknowledged += 1;
    this.#tally.acknowledged += 1;
  }

  /** After a chunk of acknowledgements. */
  refill(): void {
    if (this.#selfPaced) this.send(this.#window);
  }

  end(): void {
    this.#socket.end(disconnectPacket);
  }

  #write(fromSlot: number, toSlot: number): void {
    this.#socket.write(this.#ring.subarray(this.#offsets[fromSlot], this.#offsets[toSlot]));
  }

  #noteSamples(count: number): void {
    const next = Math.ceil(this.#sent / SAMPLE_EVERY) * SAMPLE_EVERY;
    if (next >= this.#sent + count) return;
    const now = systemClock.monotonicMs();
    for (let index = next; index < this.#sent + count; index += SAMPLE_EVERY) {
      this.#sampleTimes[(index / SAMPLE_EVERY) % this.#sampleTimes.length] = now;
    }
  }
}

export async function publishLoad(options: PublisherOptions, tell: (event: PublisherEvent) => void): Promise<void> {
  const tally: Tally = {
    acknowledged: 0,
    sent: 0,
    received: 0,
    outOfOrder: 0,
    lostConnections: 0,
    measuring: false,
    latency: new Histogram(),
  };
  const subscribers = await Promise.all(
    (options.subscribe ?? []).map((filter, index) => openSubscriber(options.port, filter, index, tally)),
  );
  const connections = await openAll(options, tally);
  tell({ event: 'connected' });
  const stopPacing = options.rate === undefined ? startAll(connections) : pace(connections, options.rate);
  await systemClock.sleep(options.warmUpSeconds * 1000);
  tell({ event: 'measured', result: await measure(options, tally, tell) });
  stopPacing();
  for (const connection of connections) connection.stop();
  const deadline = systemClock.monotonicMs() + DRAIN_WAIT_MS;
  while (connections.some((connection) => connection.outstanding > 0) && systemClock.monotonicMs() < deadline) await systemClock.sleep(5);
  tell({ event: 'done', sent: tally.sent, acknowledged: tally.acknowledged });
  for (const connection of connections) connection.end();
  for (const socket of subscribers) socket.destroy();
}

async function measure(options: PublisherOptions, tally: Tally, tell: (event: PublisherEvent) => void): Promise<PublisherResult> {
  tell({ event: 'measuring' });
  const before = { ...tally, cpu: process.cpuUsage(), at: systemClock.monotonicMs() };
  tally.measuring = true;
  await systemClock.sleep(options.seconds * 1000);
  tally.measuring = false;
  const cpu = process.cpuUsage(before.cpu);
  return {
    seconds: (systemClock.monotonicMs() - before.at) / 1000,
    acknowledged: tally.acknowledged - before.acknowledged,
    ackP50Ms: tally.latency.quantile(0.5),
    ackP99Ms: tally.latency.quantile(0.99),
    ackMaxMs: tally.latency.max,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    received: tally.received - before.received,
    outOfOrder: tally.outOfOrder,
    lostConnections: tally.lostConnections,
  };
}

function startAll(connections: readonly PublisherConnection[]): () => void {
  for (const connection of connections) connection.start();
  return () => undefined;
}

/** Deals `rate` publishes a second out over the connections in turn, in ticks; what a full window refuses is not made up for. */
function pace(connections: readonly PublisherConnection[], rate: number): () => void {
  for (const connection of connections) connection.startPaced();
  const start = systemClock.monotonicMs();
  let offered = 0;
  let turn = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((systemClock.monotonicMs() - start) / 1000) * rate);
    const each = Math.ceil((due - offered) / connections.length);
    for (let tried = 0; offered < due && tried < connections.length; tried++) {
      const count = Math.min(each, due - offered);
      connections[turn]?.send(count);
      offered += count;
      turn = (turn + 1) % connections.length;
    }
  }, TICK_MS);
  return () => clearInterval(timer);
}

async function openAll(options: PublisherOptions, tally: Tally): Promise<PublisherConnection[]> {
  const connections: PublisherConnection[] = [];
  while (connections.length < options.connections) {
    const from = connections.length;
    const count = Math.min(CONNECTING_MAX, options.connections - from);
    connections.push(...(await Promise.all(Array.from({ length: count }, (_, index) => openPublisher(options, from + index, tally)))));
  }
  return connections;
}

function ringPackets(options: PublisherOptions, connectionIndex: number): Buffer[] {
  const affordable = Math.floor(RING_BYTES_MAX / PACKET_BYTES / options.connections);
  const slots = Math.max(options.window, RING_SLOTS_MIN, Math.min(RING_SLOTS_MAX, affordable));
  const random = seededRandom(options.seed * 65_537 + connectionIndex);
  const devices = Math.max(options.devices ?? 0, options.connections);
  const own: string[] = [];
  for (let index = connectionIndex; index < devices; index += options.connections) own.push(deviceName(index, options.devicePrefix));
  return Array.from({ length: slots }, (_, slot) =>
    publishPacket({
      topic: telemetryTopic(own[slot % own.length] ?? ''),
      payload: telemetryPayload(random),
      qos: 1,
      packetId: slot + 1,
    }),
  );
}

async function openPublisher(options: PublisherOptions, index: number, tally: Tally): Promise<PublisherConnection> {
  const session = await openSession(options.port, `load-${options.seed}-${index}`, tally);
  const connection = new PublisherConnection(session.socket, { packets: ringPackets(options, index), window: options.window, tally });
  session.onPacket = (type, identifier) => {
    if (type === PUBACK) connection.acknowledge(identifier);
  };
  session.onChunkEnd = () => connection.refill();
  return connection;
}

async function openSubscriber(port: number, filter: string, index: number, tally: Tally): Promise<Socket> {
  const session = await openSession(port, `load-subscriber-${index}`, tally);
  const subscribed = Promise.withResolvers<void>();
  session.onPacket = (type) => {
    if (type === PUBLISH) tally.received += 1;
    else if (type === SUBACK) subscribed.resolve();
  };
  session.socket.write(subscribePacket(1, filter, 0));
  await subscribed.promise;
  return session.socket;
}

interface Session {
  readonly socket: Socket;
  onPacket: (type: number, identifier: number) => void;
  onChunkEnd: () => void;
}

/** Resolves after CONNACK 0. No keepalive: a load connection is never idle for long, or is closed by the test. */
function openSession(port: number, clientId: string, tally: Tally): Promise<Session> {
  const { promise, resolve, reject } = Promise.withResolvers<Session>();
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const cancelTimeout = systemClock.after(CONNECT_WAIT_MS, () =>
    socket.destroy(new Error(`no CONNACK for ${clientId} within ${CONNECT_WAIT_MS} ms`)),
  );
  const session: Session = {
    socket,
    onPacket(type, code) {
      cancelTimeout();
      if (type === CONNACK && (code & 0xff) === 0) resolve(session);
      else socket.destroy(new Error(`${clientId} was refused (packet ${type}, code ${code})`));
    },
    onChunkEnd: () => undefined,
  };
  const scanner = new PacketScanner((type, identifier) => session.onPacket(type, identifier));
  socket.on('connect', () => socket.write(connectPacket({ clientId, clean: true, keepaliveSeconds: 0 })));
  socket.on('data', (chunk: Buffer) => {
    scanner.push(chunk);
    session.onChunkEnd();
  });
  socket.on('error', reject);
  socket.on('close', () => {
    tally.lostConnections += 1;
    reject(new Error(`the connection of ${clientId} was closed`));
  });
  return promise;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options: PublisherOptions = JSON.parse(process.argv[2] ?? '{}');
  const send = process.send?.bind(process);
  await publishLoad(options, (event) => {
    if (send === undefined) process.stdout.write(`${JSON.stringify(event)}\n`);
    else send(event);
  });
  if (send !== undefined) process.disconnect();
}
