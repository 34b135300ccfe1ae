/**
 * A fleet in a thread of its own: every device connects at once over TLS, logs in, publishes once, and is back when that is acknowledged.
 * One that is turned away tries again, as devices do. Answers with how long the last one took, in ms.
 */
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock as clock } from '../../src/std/clock.ts';
import { CONNACK, connectPacket, PacketScanner, PUBACK, publishPacket } from './wire.ts';

export interface FleetOrder {
  readonly devices: readonly { readonly id: string; readonly password: string }[];
  readonly port: number;
  readonly ca: string;
  readonly rounds: number;
}

export interface FleetRound {
  readonly backMs: number;
  readonly retries: number;
}

const RETRY_MS = 1000;
const PAUSE_MS = 500;

// What starts it is ours and of the same version.
const { devices, port, ca, rounds } = workerData as FleetOrder;
// One for all: what a device does once when it starts is not to be paid for two thousand times here.
const secureContext = createSecureContext({ ca });

function attempt({ id, password }: FleetOrder['devices'][number]): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', secureContext });
    const scanner = new PacketScanner((type, identifier) => {
      if (type === PUBACK) resolve(socket);
      else if (type !== CONNACK || identifier !== 0) reject(new Error(`${id}: packet ${type}, code ${identifier}`));
      else socket.write(publishPacket({ topic: `sensors/${id}/temperature`, payload: '5', qos: 1, packetId: 1 }));
    });
    socket.on('data', (chunk) => scanner.push(chunk));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${id}: closed`)));
    socket.write(connectPacket({ clientId: id, clean: true, keepaliveSeconds: 60, login: { username: id, password } }));
  });
}

for (let round = 0; round < rounds; round++) {
  const beganMs = clock.monotonicMs();
  let retries = 0;
  const comeBack = async (device: FleetOrder['devices'][number]): Promise<TLSSocket> => {
    for (;;) {
      const socket = await attempt(device).catch(() => null);
      if (socket !== null) return socket;
      retries += 1;
      await clock.sleep(RETRY_MS);
    }
  };
  const sockets = await Promise.all(devices.map(comeBack));
  const answer: FleetRound = { backMs: clock.monotonicMs() - beganMs, retries };
  for (const socket of sockets) socket.destroy();
  parentPort?.postMessage(answer);
  await clock.sleep(PAUSE_MS);
}
