/** A TCP proxy that watches, slows and cuts what passes, for tests of what networks do to a conversation. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProxyBehaviour {
  /** Before each piece of the server's answers. */
  answerDelayMs?: number;
  /** In pieces of so many bytes. */
  answerPieceBytes?: number;
  /** The connection is cut once the client has sent so many bytes; what came before is passed on. */
  cutAfterBytes?: number;
  /** The connection is cut once the client has sent this and the server has begun to answer; the answer is not passed on. */
  cutAnswerTo?: string;
}

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** For connections from now on. */
  behaviour: ProxyBehaviour;
  /** How many there have been. */
  connections: number;
  /** All that clients have sent. */
  sent: string;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const state: Pick<TcpProxy, 'behaviour' | 'connections' | 'sent'> = { behaviour: {}, connections: 0, sent: '' };
  const server = createServer((client) => {
    const { behaviour } = state;
    const target = connect(targetPort, '127.0.0.1');
    const cut = (): void => {
      client.destroy();
      // What was passed on still arrives; then the end of it.
      target.end();
    };
    let sentHere = '';
    state.connections += 1;
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.on('data', (chunk) => {
      const left = (behaviour.cutAfterBytes ?? Number.POSITIVE_INFINITY) - sentHere.length;
      const passed = chunk.subarray(0, Math.max(left, 0));
      sentHere += passed.toString('latin1');
      state.sent += passed.toString('latin1');
      target.write(passed);
      if (chunk.length >= left) cut();
    });
    client.on('close', () => target.end());
    let answering: Promise<void> = Promise.resolve();
    target.on('data', (chunk) => {
      if (behaviour.cutAnswerTo !== undefined && sentHere.includes(behaviour.cutAnswerTo)) return cut();
      answering = answering.then(() => answer(client, chunk, behaviour));
    });
    target.on('close', () => answering.then(() => client.end()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return Object.assign(state, {
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
}

async function answer(
  client: Socket,
  chunk: Buffer,
  { answerDelayMs = 0, answerPieceBytes = chunk.length }: ProxyBehaviour,
): Promise<void> {
  for (let at = 0; at < chunk.length && !client.destroyed; at += answerPieceBytes) {
    if (answerDelayMs > 0) await sleep(answerDelayMs);
    client.write(chunk.subarray(at, at + answerPieceBytes));
  }
}
