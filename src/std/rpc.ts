/**
 * Calls between threads. Each side may expose methods and call the other's over one MessagePort; every call is answered
 * once, or rejected when the other side is gone. What crosses is structured-cloned: plain data and encoded bytes.
 *
 * At most `CALLS_MAX` calls are open on a port: a caller that does not await its calls is a bug and is told so.
 */
import type { MessagePort, TransferListItem, Worker } from 'node:worker_threads';
import { TocsinError } from './errors.ts';

const CALLS_MAX = 10_000;

// biome-ignore lint/suspicious/noExplicitAny: the argument types are the remote's own; `Remote` restores them for callers.
type Method = (...args: any[]) => unknown;
export type Methods = Record<string, Method>;
/** The other side's methods as seen from here. */
export type Remote<M> = {
  [K in keyof M]: M[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

type Port = Pick<MessagePort, 'postMessage'> & (MessagePort | Worker);
type Message =
  | { call: number; method: string; args: unknown[] }
  | { answer: number; value: unknown }
  | { answer: number; error: { message: string; name: string; hint?: string | undefined; code?: string | undefined } };

/** An error that the other thread threw: its message, name and hint survive, its stack does not. */
export class RemoteError extends TocsinError {
  readonly remoteName: string;
  readonly code: string | undefined;
  constructor(error: { message: string; name: string; hint?: string | undefined; code?: string | undefined }) {
    super(error.message, error.hint === undefined ? {} : { hint: error.hint });
    this.remoteName = error.name;
    this.code = error.code;
  }
}

/** Wires `methods` to the port and returns the remote side. `disconnect` rejects every open call. */
export function connect<M>(port: Port, methods: Methods): { remote: Remote<M>; disconnect: (reason: Error) => void } {
  const open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let next = 1;
  let gone: Error | undefined;

  const answer = async (message: { call: number; method: string; args: unknown[] }): Promise<void> => {
    try {
      const method = methods[message.method];
      if (method === undefined) throw new TocsinError(`no method ${message.method} on this thread`);
      const value = await method(...message.args);
      const transfer = value instanceof Transferred ? value.transfer : [];
      port.postMessage({ answer: message.call, value: value instanceof Transferred ? value.value : value }, transfer as TransferListItem[]);
    } catch (error) {
      const { message: text, name } = error instanceof Error ? error : new Error(String(error));
      const hint = error instanceof TocsinError ? error.hint : undefined;
      const code = (error as { code?: unknown }).code;
      port.postMessage({
        answer: message.call,
        error: { message: text, name, hint, code: typeof code === 'string' ? code : undefined },
      });
    }
  };

  port.on('message', (message: Message) => {
    if ('call' in message) {
      void answer(message);
      return;
    }
    const pending = open.get(message.answer);
    if (pending === undefined) return;
    open.delete(message.answer);
    if ('error' in message) pending.reject(new RemoteError(message.error));
    else pending.resolve(message.value);
  });

  const call = (method: string, args: unknown[]): Promise<unknown> => {
    if (gone !== undefined) return Promise.reject(gone);
    if (open.size >= CALLS_MAX) return Promise.reject(new TocsinError(`more than ${CALLS_MAX} calls open to a thread`));
    const id = next++;
    return new Promise((resolve, reject) => {
      open.set(id, { resolve, reject });
      port.postMessage({ call: id, method, args });
    });
  };
  const remote = new Proxy({} as Remote<M>, {
    get: (_, method) => (typeof method === 'string' && method !== 'then' ? (...args: unknown[]) => call(method, args) : undefined),
  });
  const disconnect = (reason: Error): void => {
    gone ??= reason;
    for (const pending of open.values()) pending.reject(gone);
    open.clear();
  };
  return { remote, disconnect };
}

/** A method's answer whose buffers move to the caller's thread instead of being copied. */
export class Transferred {
  readonly value: unknown;
  readonly transfer: readonly TransferListItem[];
  constructor(value: unknown, transfer: readonly TransferListItem[]) {
    this.value = value;
    this.transfer = transfer;
  }
}
