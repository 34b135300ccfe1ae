/**
 * A debugger on a running server, by which a test can end one of its threads from inside: what nothing outside the process
 * can do to a single thread, and what a fault in a native module or a lack of memory does to it.
 */
import { WebSocket } from 'ws';
import { systemClock } from '../../src/std/clock.ts';
import type { Server } from '../load/server.ts';

/** For the server's environment. */
export const WITH_DEBUGGER = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };
const WAIT_MS = 10_000;

interface Message {
  readonly method?: string;
  readonly params?: { readonly sessionId?: string; readonly workerInfo?: { readonly title: string; readonly url: string } };
}

/** Runs an expression in the thread whose module's name holds `module`, such as `history`. Resolves when it is sent. */
export async function evaluateInThread(server: Server, module: string, expression: string): Promise<void> {
  const address = [...server.stderrTail().matchAll(/Debugger listening on (ws:\/\/\S+)/g)].at(-1)?.[1];
  if (address === undefined) throw new Error(`the server has no debugger\n${server.stderrTail()}`);
  const socket = new WebSocket(address);
  const found = Promise.withResolvers<string>();
  const seen: string[] = [];
  const cancel = systemClock.after(WAIT_MS, () => found.reject(new Error(`no thread ${module} among ${seen.join(', ')}`)));
  socket.on('error', (error) => found.reject(error));
  socket.on('open', () => socket.send(JSON.stringify({ id: 1, method: 'NodeWorker.enable', params: { waitForDebuggerOnStart: false } })));
  socket.on('message', (data) => {
    const message: Message = JSON.parse(String(data));
    if (message.method !== 'NodeWorker.attachedToWorker' || message.params?.sessionId === undefined) return;
    const { title = '', url = '' } = message.params.workerInfo ?? {};
    seen.push(`${title} ${url}`);
    if (`${title} ${url}`.includes(module)) found.resolve(message.params.sessionId);
  });
  try {
    const sessionId = await found.promise;
    const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } });
    await new Promise<void>((resolve, reject) =>
      socket.send(JSON.stringify({ id: 2, method: 'NodeWorker.sendMessageToWorker', params: { sessionId, message } }), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    // Closing at once would take the message back.
    await systemClock.sleep(200);
  } finally {
    cancel();
    socket.terminate();
  }
}
