/** The worker's side: runs services over the main thread's journal until told to stop, and says so when one fails. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { JournalReader } from '../journal/journal.ts';
import { PositionLost } from '../journal/journal.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { connect, type Methods, type Remote, RemoteError } from '../std/rpc.ts';
import { keepCompiledCode } from '../std/runtime.ts';
import type { Service } from '../std/service.ts';

interface MainMethods {
  read: JournalReader['read'];
  release: JournalReader['release'];
  failed(reason: string): Promise<void>;
}

export interface Hosted {
  readonly services: readonly Service[];
  readonly methods: Methods;
  metrics(): Promise<string>;
  /** Called after the services have stopped. */
  close(): Promise<void>;
}

/** Serves this thread's port: `build` is called once, with what `start` was given. */
export function hostWorker<Data, Main = unknown>(build: (data: Data, journal: JournalReader, main: Remote<Main>) => Promise<Hosted>): void {
  if (parentPort === null) throw new TocsinError('this module is a worker thread: it is started by app.ts');
  const port: MessagePort = parentPort;
  const stopping = new AbortController();
  let hosted: Hosted | undefined;
  let running: Promise<unknown> = Promise.resolve();

  const start = async (data: Data): Promise<void> => {
    hosted = await build(data, journalOf(remote), remote as unknown as Remote<Main>);
    Object.assign(methods, hosted.methods);
    keepCompiledCode();
    running = Promise.all(hosted.services.map((service) => service.run(stopping.signal)));
    running.catch((error: unknown) => {
      if (!stopping.signal.aborted) void remote.failed(error instanceof TocsinError ? error.render() : messageOf(error));
    });
  };
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running.finally(() => hosted?.close());
  };
  const methods: Methods = { start, stop, metrics: async () => `${(await hosted?.metrics()) ?? ''}\n${memoryMetrics()}` };
  const { remote } = connect<MainMethods>(port, methods);
}

/** The journal behind the port; its errors come back as what they were. */
function journalOf(remote: Remote<MainMethods>): JournalReader {
  return {
    async read(...args) {
      try {
        return await remote.read(...args);
      } catch (error) {
        if (!(error instanceof RemoteError) || error.remoteName !== 'PositionLost') throw error;
        throw new PositionLost(error.message, error.hint === undefined ? {} : { hint: error.hint });
      }
    },
    release: (...args) => remote.release(...args),
  };
}

/** Node's own metrics describe the main thread; each thread has a heap besides. */
function memoryMetrics(): string {
  const { heapTotal, heapUsed, external } = process.memoryUsage();
  const thread = String(workerData);
  const sample = (kind: string, bytes: number) => `tocsin_thread_memory_bytes{thread="${thread}",kind="${kind}"} ${bytes}`;
  const header = '# HELP tocsin_thread_memory_bytes Memory of each worker thread\n# TYPE tocsin_thread_memory_bytes gauge';
  return [header, sample('heap', heapTotal), sample('heap_used', heapUsed), sample('external', external), ''].join('\n');
}
