/** A real SMTP server that keeps what it is sent, and can be told to refuse, to hang or to answer with errors. */
import type { Server as NetServer } from 'node:net';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { systemClock } from '../../src/std/clock.ts';

/** Connections that are still open then are cut. */
const CLOSE_WAIT_MS = 100;

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
 * - `temporary`: 451 after DATA
 * - `hanging`: takes DATA and never answers
 * - `refused`: nothing listens on the port
 */
export type SinkMode = 'healthy' | 'temporary' | 'hanging' | 'refused';

export interface SmtpSink extends AsyncDisposable {
  readonly url: string;
  readonly mails: readonly ReceivedMail[];
  /** Mails and recipients that were answered with an error, or not at all. */
  readonly refusals: number;
  /** A recipient that is answered with 550. */
  unknownRecipient: string | null;
  /** How long after it has kept a mail it says so: a client that is killed meanwhile must send it again. */
  answerDelayMs: number;
  onMail: (mail: ReceivedMail) => void;
  turn(mode: SinkMode): Promise<void>;
}

export async function startSmtpSink(): Promise<SmtpSink> {
  const sink = new Sink();
  await sink.turn('healthy');
  return sink;
}

class Sink implements SmtpSink {
  readonly mails: ReceivedMail[] = [];
  unknownRecipient: string | null = null;
  onMail: (mail: ReceivedMail) => void = () => undefined;
  refusals = 0;
  answerDelayMs = 0;
  #mode: SinkMode = 'refused';
  #server: SMTPServer | null = null;
  /** Kept from the first start on. */
  #port = 0;

  get url(): string {
    return `smtp://127.0.0.1:${this.#port}`;
  }

  async turn(mode: SinkMode): Promise<void> {
    this.#mode = mode;
    if (mode === 'refused') await this.#close();
    else if (this.#server === null) await this.#listen();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  async #listen(): Promise<void> {
    const server = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      closeTimeout: CLOSE_WAIT_MS,
      onRcptTo: ({ address }, _session, callback) => {
        if (address !== this.unknownRecipient) return callback();
        this.refusals += 1;
        callback(Object.assign(new Error('no such mailbox here'), { responseCode: 550 }));
      },
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => this.#receive(Buffer.concat(chunks).toString('utf8'), session, callback));
      },
    });
    // A client that is killed cuts its connection: that is what these tests are about, and no fault of the sink.
    server.on('error', (error: Error & { code?: string }) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error;
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = portOf(server.server);
  }

  #receive(source: string, session: SMTPServerSession, callback: (error?: Error) => void): void {
    if (this.#mode === 'healthy') {
      const mail = readMail(
        source,
        session.envelope.rcptTo.map(({ address }) => address),
      );
      this.mails.push(mail);
      this.onMail(mail);
      if (this.answerDelayMs === 0) callback();
      else systemClock.after(this.answerDelayMs, () => callback());
      return;
    }
    this.refusals += 1;
    if (this.#mode === 'temporary') callback(Object.assign(new Error('try again later'), { responseCode: 451 }));
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
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
