/** A real SMTP server for tests: takes mail, parses it back, and misbehaves on demand. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface Received {
  readonly to: readonly string[];
  readonly mail: ParsedMail;
  readonly raw: string;
  readonly at: number;
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** Resolves when so many have been taken. */
  until(count: number): Promise<void>;
}

export interface Behaviour {
  /** What to answer to a recipient: null accepts. */
  recipient?: (address: string, attempt: number) => { code: number; text: string } | null;
  /** What to do with a message: null accepts, `hang` never answers, `drop` cuts the connection in the middle. */
  data?: (attempt: number) => { code: number; text: string } | 'hang' | 'drop' | null;
  /** Called once a message was read, before it is answered. */
  onData?: (received: Received) => void;
  options?: SMTPServerOptions;
  port?: number;
}

function refusal({ code, text }: { code: number; text: string }): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

export async function startSmtp(behaviour: Behaviour = {}): Promise<TestServer> {
  const received: Received[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let recipients = 0;
  let messages = 0;
  const sockets = new Set<Socket>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    ...behaviour.options,
    onRcptTo(address, _session, callback) {
      recipients += 1;
      const answer = behaviour.recipient?.(address.address, recipients) ?? null;
      callback(answer === null ? null : refusal(answer));
    },
    onData(stream, session, callback) {
      messages += 1;
      const answer = behaviour.data?.(messages) ?? null;
      if (answer === 'drop') {
        stream.resume();
        for (const socket of sockets) if (socket.remotePort === session.remotePort) socket.destroy();
        return;
      }
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        if (answer === 'hang') return;
        const raw = Buffer.concat(chunks);
        const at = performance.now();
        const mail = await simpleParser(raw);
        if (answer !== null) return callback(refusal(answer));
        const taken = { to: session.envelope.rcptTo.map(({ address }) => address), mail, raw: raw.toString('utf8'), at };
        received.push(taken);
        behaviour.onData?.(taken);
        callback(null, 'taken');
        for (const waiter of waiting) if (received.length >= waiter.count) waiter.resolve();
      });
    },
  });
  server.on('error', () => undefined);
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(behaviour.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    port,
    received,
    until: (count) =>
      new Promise((resolve) => {
        if (received.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
