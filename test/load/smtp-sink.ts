/** A real SMTP server that keeps what it is sent, and can be told to refuse, to hang or to answer with errors. */
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { systemClock } from '../../src/std/clock.ts';

export interface ReceivedMail {
  readonly subject: string;
  readonly messageId: string;
  readonly to: readonly string[];
  /** The end of DATA, on `systemClock.monotonicMs`. */
  readonly atMs: number;
  readonly source: string;
}

/**
 * - `healthy`: takes every mail
 * - `temporary`: 451 after DATA; `permanent`: 550 to the recipient
 * - `hanging`: takes DATA and never answers
 */
export type SinkMode = 'healthy' | 'temporary' | 'permanent' | 'hanging';

export interface SmtpSink extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
  mode: SinkMode;
  /** How many DATA commands were answered with an error, or not at all. */
  readonly refused: number;
  onMail: (mail: ReceivedMail) => void;
}

export async function startSmtpSink(port = 0): Promise<SmtpSink> {
  const mails: ReceivedMail[] = [];
  const sink = { mode: 'healthy' as SinkMode, refused: 0, onMail: (_mail: ReceivedMail): void => undefined };
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onRcptTo(_address, _session, callback) {
      if (sink.mode !== 'permanent') return callback();
      sink.refused += 1;
      callback(Object.assign(new Error('no such mailbox here'), { responseCode: 550 }));
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        if (sink.mode === 'hanging' || sink.mode === 'temporary') sink.refused += 1;
        if (sink.mode === 'hanging') return;
        if (sink.mode === 'temporary') return callback(Object.assign(new Error('try again later'), { responseCode: 451 }));
        const mail = readMail(
          Buffer.concat(chunks).toString('utf8'),
          session.envelope.rcptTo.map(({ address }) => address),
        );
        mails.push(mail);
        sink.onMail(mail);
        callback();
      });
    },
  });
  // A client that is killed cuts its connection: that is what these tests are about, and no fault of the sink.
  server.on('error', (error: Error & { code?: string }) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const bound = portOf(server.server);
  return Object.assign(sink, {
    url: `smtp://127.0.0.1:${bound}`,
    port: bound,
    mails,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

/** A port on which connections are taken and nothing is ever said. */
export async function startMuteServer(port = 0): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function portOf(server: Pick<NetServer, 'address'>): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

function readMail(source: string, to: readonly string[]): ReceivedMail {
  const head = source.slice(0, source.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
  const header = (name: string): string => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
  return { subject: decodeWords(header('Subject')), messageId: header('Message-ID'), to, atMs: systemClock.monotonicMs(), source };
}

/** RFC 2047 encoded words in UTF-8, in which nodemailer writes a subject with `°`. */
function decodeWords(text: string): string {
  return text.replace(/\?=\s+=\?/g, '?==?').replace(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_, encoding: string, body: string) =>
    encoding.toLowerCase() === 'b'
      ? Buffer.from(body, 'base64').toString('utf8')
      : Buffer.from(
          body.replaceAll('_', ' ').replace(/=([0-9a-f]{2})/gi, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
          'latin1',
        ).toString('utf8'),
  );
}
