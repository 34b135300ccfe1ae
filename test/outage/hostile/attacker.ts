/**
 * Hostile MQTT clients, as a process of their own: each attack goes on until the process is killed. It says `ready` to its parent when
 * the attack is under way, and `figures` when it is asked for them.
 */
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { connectPacket, PacketScanner, PUBACK, pingPacket, publishPacket, subscribePacket } from '../../load/wire.ts';

export interface AttackOptions {
  readonly attack: AttackName;
  readonly port: number;
  /** How many clients, or how much of whatever the attack is about. */
  readonly size: number;
}

interface Context {
  readonly port: number;
  readonly size: number;
  /** The attack is under way. */
  ready(): void;
}

const CHUNK = Buffer.alloc(65_536, 'x');
/** Opened at once; below the usual listen backlog. */
const OPENING_MAX = 100;

let opened = 0;
let closed = 0;
function open(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  opened += 1;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed += 1;
  });
  return socket;
}

/** Opened and, unless `packet` is empty, past CONNACK. */
function session(port: number, packet: Buffer, options: { read?: boolean } = {}): Promise<Socket> {
  const socket = open(port);
  return new Promise((resolve) => {
    socket.on('connect', () => {
      if (packet.length === 0) resolve(socket);
      else socket.write(packet);
    });
    socket.once('data', () => {
      if (options.read === false) socket.pause();
      resolve(socket);
    });
    socket.once('close', () => resolve(socket));
  });
}

async function many(count: number, start: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += OPENING_MAX) {
    await Promise.all(Array.from({ length: Math.min(OPENING_MAX, count - from) }, (_, index) => start(from + index)));
  }
}

const connectAs = (clientId: string, clean = true): Buffer => connectPacket({ clientId, clean, keepaliveSeconds: 0 });

/** Writes as much as the other side takes. */
function pour(socket: Socket, chunk: Buffer): void {
  const write = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', write);
  write();
}

/** Calls again, a little later, what ended: `count` of them at once. */
function again(count: number, attempt: (n: number) => Promise<void>): void {
  let n = 0;
  for (let index = 0; index < count; index++) {
    void (async () => {
      for (;;) await attempt(n++);
    })();
  }
}

const until = (socket: Socket, event: 'close' | 'connect' | 'data'): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve();
    socket.once(event, () => resolve());
    if (event !== 'close') socket.once('close', () => resolve());
  });

const ATTACKS = {
  /** 256 MB declared before CONNECT, and sent as far as it goes. */
  'declared length': ({ port, size, ready }: Context) => {
    again(size, async () => {
      const socket = open(port);
      socket.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
      pour(socket, CHUNK);
      await until(socket, 'close');
      await clock.sleep(5);
    });
    ready();
  },
  /** The same once connected: as a publish that is to be skipped, over and over. */
  'large publishes': async ({ port, size, ready }: Context) => {
    const large = publishPacket({ topic: 'a/b', payload: Buffer.alloc(4_000_000), qos: 1, packetId: 1 });
    await many(size, async (index) => {
      const socket = await session(port, connectAs(`large-${index}`));
      socket.resume();
      pour(socket, large);
    });
    ready();
  },
  'trickled bytes': ({ port, size, ready }: Context) => {
    const packet = connectAs('x'.repeat(100));
    again(size, async () => {
      const socket = open(port);
      for (let at = 0; at < packet.length - 1 && !socket.destroyed; at++) {
        socket.write(packet.subarray(at, at + 1));
        await clock.sleep(200);
      }
    });
    ready();
  },
  /** They come again as they are closed. */
  'half-open connections': async ({ port, size, ready }: Context) => {
    const keepOpen = async (): Promise<void> => {
      const socket = await session(port, Buffer.alloc(0));
      socket.once('close', () => clock.after(500, () => void keepOpen()));
    };
    await many(size, keepOpen);
    ready();
  },
  'idle connections': async ({ port, size, ready }: Context) => {
    await many(size, (index) => session(port, connectAs(`idle-${index}`)));
    ready();
  },
  'connect flood': ({ port, size, ready }: Context) => {
    again(size, async (n) => {
      const socket = await session(port, connectAs(`flood-${n}`));
      socket.destroy();
    });
    ready();
  },
  /** Malformed UTF-8, reserved bits, packets that only a server sends. */
  'malformed packets': ({ port, size, ready }: Context) => {
    const wrong = [
      publishPacket({ topic: 'a\0b', payload: '', qos: 1, packetId: 1 }),
      Buffer.from([0x32, 7, 0, 3, 0xed, 0xa0, 0x80, 0, 1]),
      Buffer.from([0x66, 2, 0, 1]),
      Buffer.from([0x20, 2, 0, 0]),
      subscribePacket(1, 'a#', 1),
    ];
    again(size, async (n) => {
      const socket = await session(port, connectAs(`wrong-${n}`));
      socket.write(wrong[n % wrong.length] ?? pingPacket);
      await until(socket, 'close');
    });
    ready();
  },
  /** QoS 0, as fast as it is taken, by one client. */
  'publish flood': async ({ port, ready }: Context) => {
    const socket = await session(port, connectAs('flood'));
    socket.resume();
    pour(
      socket,
      Buffer.concat(
        Array.from({ length: 900 }, (_, n) => publishPacket({ topic: 'sensors/flood/t', payload: `${n}`, qos: 0, packetId: 0 })),
      ),
    );
    ready();
  },
  /** QoS 1 of the smallest packets, by one client that does not wait for acknowledgements. */
  'acknowledged flood': async ({ port, ready }: Context) => {
    const socket = await session(port, connectAs('flood'));
    socket.resume();
    pour(
      socket,
      Buffer.concat(Array.from({ length: 5000 }, (_, n) => publishPacket({ topic: 'a', payload: '', qos: 1, packetId: n + 1 }))),
    );
    ready();
  },
  'ping flood': async ({ port, size, ready }: Context) => {
    await many(size, async (index) => {
      const socket = await session(port, connectAs(`ping-${index}`), { read: false });
      pour(socket, Buffer.alloc(65_536, pingPacket));
    });
    ready();
  },
  /** Over connection after connection of the same sessions, so that no bound of one connection holds. */
  'withheld PUBREL': ({ port, size, ready }: Context) => {
    again(size, async (n) => {
      const socket = await session(port, connectAs(`qos2-${n % size}`, false));
      const from = (Math.floor(n / size) * 500) % 65_000;
      const payload = CHUNK.subarray(0, 4000);
      socket.write(
        Buffer.concat(Array.from({ length: 500 }, (_, m) => publishPacket({ topic: 'a/b', payload, qos: 2, packetId: from + m + 1 }))),
      );
      socket.resume();
      await Promise.race([until(socket, 'close'), clock.sleep(300)]);
      socket.destroy();
    });
    ready();
  },
  /** Clients with as many filters as they may have, none of which matches, given up and taken again. */
  'subscription flood': async ({ port, size, ready }: Context) => {
    await many(size, async (index) => {
      const socket = await session(port, connectAs(`filters-${index}`));
      socket.resume();
      const filters = Array.from({ length: 1000 }, (_, n) => subscribePacket(1, `+/${index}/+/${n}/#`, 1));
      pour(socket, Buffer.concat(filters));
    });
    ready();
  },
  /** Subscribers that never read, and one who makes sure that there is something to read. */
  'readers that do not read': async ({ port, size, ready }: Context) => {
    await many(size, async (index) => {
      const socket = await session(port, connectAs(`stuck-${index}`), { read: false });
      socket.write(subscribePacket(1, 'load/#', 0));
    });
    const socket = await session(port, connectAs('writer'));
    socket.resume();
    const payload = CHUNK.subarray(0, 50_000);
    const timer = setInterval(() => socket.write(publishPacket({ topic: 'load/x', payload, qos: 0, packetId: 0 })), 10);
    socket.on('close', () => clearInterval(timer));
    ready();
  },
  /** 150 publishers at QoS 1 and one subscriber that does not read what they publish. */
  'one stuck subscriber': async ({ port, size, ready }: Context) => {
    const stuck = await session(port, connectAs('stuck'), { read: false });
    stuck.write(subscribePacket(1, '#', 1));
    await many(size, async (index) => {
      const socket = await session(port, connectAs(`publisher-${index}`));
      const packet = publishPacket({ topic: `sensors/p-${index}/t`, payload: '21.5', qos: 1, packetId: 1 });
      const scanner = new PacketScanner((type) => {
        if (type === PUBACK) clock.after(20, () => socket.write(packet));
      });
      socket.on('data', (chunk) => scanner.push(chunk));
      socket.write(packet);
    });
    ready();
  },
  /** The largest wills there are, on connections that end without DISCONNECT, over and over. */
  wills: async ({ port, size, ready }: Context) => {
    const will = Buffer.alloc(65_000, 'w');
    const field = (value: Buffer): Buffer => Buffer.concat([Buffer.from([value.length >>> 8, value.length & 0xff]), value]);
    const connectWithWill = (id: string): Buffer => {
      const body = Buffer.concat([
        Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0x0e, 0, 0]),
        ...[Buffer.from(id), Buffer.from('sensors/will/t'), will].map(field),
      ]);
      return Buffer.concat([
        Buffer.from([0x10, (body.length & 0x7f) | 0x80, ((body.length >>> 7) & 0x7f) | 0x80, body.length >>> 14]),
        body,
      ]);
    };
    const sockets: Socket[] = [];
    await many(size, async (index) => sockets.push(await session(port, connectWithWill(`will-${index}`))));
    ready();
    for (;;) {
      for (const socket of sockets.splice(0, 10)) socket.destroy();
      await clock.sleep(100);
      await many(10, async (index) => sockets.push(await session(port, connectWithWill(`again-${sockets.length}-${index}`))));
    }
  },
  /** Packets that are begun, as large as they may be, and lack their last byte. */
  'unfinished packets': async ({ port, size, ready }: Context) => {
    const whole = publishPacket({ topic: 'a/b', payload: Buffer.alloc(250_000), qos: 1, packetId: 1 });
    const hold = async (index: number): Promise<void> => {
      const socket = await session(port, connectAs(`unfinished-${index}`));
      socket.write(whole.subarray(0, -1));
      socket.once('close', () => clock.after(500, () => void hold(index)));
    };
    await many(size, hold);
    ready();
  },
  /** One name, taken over and over. */
  takeovers: ({ port, size, ready }: Context) => {
    again(8, async (n) => {
      await session(port, connectAs('same', n % 2 === 0));
      if (n === size) console.error(`${n} takeovers`);
    });
    ready();
  },
} as const;
export type AttackName = keyof typeof ATTACKS;
export const ATTACK_NAMES = Object.keys(ATTACKS) as AttackName[];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { attack, ...options }: AttackOptions = JSON.parse(process.argv[2] ?? '{}');
  const tell = (message: object): void => void process.send?.(message);
  process.on('message', () => tell({ event: 'figures', opened, closed }));
  process.on('disconnect', () => process.exit(0));
  await ATTACKS[attack]({ ...options, ready: () => tell({ event: 'ready' }) });
}
