/** A real HTTP server for tests: takes what is posted, and misbehaves on demand. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Posted {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Called once a request was read whole. */
export type Answer = (response: ServerResponse, posted: Posted) => void;

export interface HttpPeer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  readonly posted: readonly Posted[];
  /** Connections that are open, and how many there have been. */
  open(): number;
  accepted(): number;
}

export async function startHttpPeer(answer: Answer = ANSWERS.accept): Promise<HttpPeer> {
  const posted: Posted[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer(async (request, response) => {
    response.on('error', () => undefined);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the client left
    }
    const body = Buffer.concat(chunks).toString('utf8');
    const taken = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
    posted.push(taken);
    answer(response, taken);
  });
  server.on('connection', (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    posted,
    open: () => sockets.size,
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Repeats what it was sent, as servers in debug mode do. */
const echo = ({ path, headers }: Posted): string => `no: ${path} ${JSON.stringify(headers)}`;

/** Writes again and again until the connection is gone. */
function repeatedly(response: ServerResponse, text: string, everyMs: number): void {
  const timer = setInterval(() => response.socket?.write(text), everyMs);
  response.on('close', () => clearInterval(timer));
}

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response, posted) =>
    response.writeHead(code, headers).end(echo(posted));

export const ANSWERS = {
  accept: (response) => response.writeHead(200).end('ok'),
  created: status(201),
  'accept without a body': status(204),
  'redirect for now': status(302, { Location: '/elsewhere' }),
  'redirect for good': status(308, { Location: '/elsewhere' }),
  'bad request': status(400),
  unauthorised: status(401),
  forbidden: status(403),
  'not found': status(404),
  gone: status(410),
  timeout: status(408),
  'too large': status(413),
  'too early': status(425),
  'too many': status(429, { 'Retry-After': '7' }),
  'too many, for days': status(429, { 'Retry-After': '864000' }),
  broken: status(500),
  'not there now': status(503, { 'Retry-After': new Date(Date.now() + 60_000).toUTCString() }),
  stall: () => undefined,
  drop: (response) => response.socket?.destroy(),
  'drop in the middle of the head': (response) => response.socket?.end('HTTP/1.1 200 O'),
  'drop in the middle of a refusal': (response) => {
    response.writeHead(503, { 'Content-Length': '100' }).write('half');
    setTimeout(() => response.socket?.destroy(), 30);
  },
  'drop in the middle of a yes': (response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('half');
    setTimeout(() => response.socket?.destroy(), 30);
  },
  'trickle the head': (response) => {
    response.socket?.write('HTTP/1.1 200 OK\r\n');
    repeatedly(response, 'X-Trickle: 1\r\n', 20);
  },
  'trickle a refusal': (response) => {
    response.writeHead(500, { 'Content-Length': '1000000' }).write('wait');
    repeatedly(response, '.', 20);
  },
  'say yes at endless length': (response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain' }).write('yes');
    const block = 'x'.repeat(65_536);
    const more = (): void => {
      while (!response.destroyed && response.write(block));
    };
    response.on('drain', more);
    more();
  },
  'speak another language': (response) => response.socket?.end('220 mail.example.org ESMTP\r\n'),
} satisfies Readonly<Record<string, Answer>>;

export type AnswerName = keyof typeof ANSWERS;
