/** The load publisher in a process of its own, so that what it costs is not on the account of what it measures. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PublisherEvent, PublisherOptions } from './publisher.ts';
import { watchChild } from './server.ts';

const PROGRAM = fileURLToPath(new URL('./publisher.ts', import.meta.url));

/** Resolves when the publisher has ended; `onEvent` is called at once for each step, so that the server can be looked at then. */
export function forkPublisher(options: PublisherOptions, onEvent: (event: PublisherEvent) => void): Promise<void> {
  const child = watchChild(fork(PROGRAM, [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] }));
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  child.on('message', (message) => {
    if (isPublisherEvent(message)) onEvent(message);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`the load publisher ended with ${code ?? signal}: ${stderr}`));
    });
  });
}

/** The publisher is ours and of the same version: its events need no further check than that they are events. */
function isPublisherEvent(message: unknown): message is PublisherEvent {
  return typeof message === 'object' && message !== null && 'event' in message;
}
