/**
 * Starts a worker thread of ours, gives it the journal to follow, and keeps it running: a thread that fails is started
 * again after a growing wait, from its own cursors, and nothing else stops for it.
 */
import { Worker } from 'node:worker_threads';
import type { JournalReader } from '../journal/journal.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf, Unavailable } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { connect, type Methods, type Remote } from '../std/rpc.ts';

/** What every worker answers to. */
export interface WorkerMethods {
  /** Resolves when its consumers follow the journal; rejects with what keeps them from it. */
  start(data: unknown): Promise<void>;
  /** Its metrics in Prometheus' text format. */
  metrics(): Promise<string>;
  /** Stops cleanly: what was worked through is committed. */
  stop(): Promise<void>;
}

export interface RunningWorker<M extends WorkerMethods> {
  readonly name: string;
  /** The thread's methods; rejects while it is being restarted. */
  readonly remote: Remote<M>;
  /** Why it does not run at present, or null. */
  readonly fault: () => string | null;
  stop(): Promise<void>;
}

const RESTART_WAIT = { firstMs: 1000, maxMs: 30_000 };
const STOP_WAIT_MS = 8000;
/** The heap's young generation at its default lets idle garbage of a busy thread reach 100 MB. */
const YOUNG_GENERATION_MB = 8;

export interface WorkerOptions {
  readonly name: string;
  readonly module: URL;
  readonly journal: JournalReader;
  /** Made anew at each start, as the journal's range moves on. */
  readonly data: () => unknown;
  /** What else the thread may call here. */
  readonly methods?: Methods;
  readonly clock: Clock;
  readonly logger: Logger;
}

export async function startWorker<M extends WorkerMethods>(options: WorkerOptions): Promise<RunningWorker<M>> {
  const { name, clock, logger } = options;
  let current = await launch<M>(options);
  let fault: string | null = null;
  let failures = 0;
  let stopping = false;

  const watch = (): void => {
    const startedMs = clock.monotonicMs();
    current.ended.then(async (reason) => {
      if (stopping) return;
      fault = `${name} failed: ${reason}`;
      logger.error({ worker: name, reason }, 'worker RUNNING => RESTARTING');
      failures = clock.monotonicMs() - startedMs > RESTART_WAIT.maxMs ? 1 : failures + 1;
      await clock.sleep(backoffMs(failures, RESTART_WAIT));
      if (!stopping) await relaunch();
    }, logger.error.bind(logger));
  };
  const relaunch = async (): Promise<void> => {
    try {
      current = await launch<M>(options);
      fault = null;
      logger.info({ worker: name }, 'worker RESTARTING => RUNNING');
    } catch (error) {
      current = { ...current, ended: Promise.resolve(messageOf(error)) };
    }
    watch();
  };
  watch();

  return {
    name,
    // Looked up at each call: the thread behind it may be another one by then.
    remote: new Proxy({} as Remote<M>, { get: (_, method) => Reflect.get(current.remote, method) }),
    fault: () => fault,
    async stop() {
      stopping = true;
      if (fault === null) {
        const stopped = current.remote
          .stop()
          .catch((error: unknown) => logger.error({ worker: name, err: error }, 'worker did not stop cleanly'));
        await Promise.race([stopped, clock.sleep(STOP_WAIT_MS)]);
      }
      await current.terminate();
    },
  };
}

interface Launched<M> {
  readonly remote: Remote<M>;
  /** Resolves with the reason when the thread has ended or one of its services has failed. */
  readonly ended: Promise<string>;
  terminate(): Promise<void>;
}

async function launch<M extends WorkerMethods>(options: WorkerOptions): Promise<Launched<M>> {
  const { journal, name } = options;
  const worker = new Worker(options.module, { name, workerData: name, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } });
  const terminate = async (): Promise<void> => {
    await worker.terminate();
  };
  let end: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  const { remote, disconnect } = connect<M>(worker, {
    ...options.methods,
    read: journal.read.bind(journal),
    release: journal.release.bind(journal),
    failed: async (reason: string) => {
      end(reason);
      await terminate();
    },
  });
  worker.once('error', (error) => end(messageOf(error)));
  worker.once('exit', (code) => {
    end(`exit code ${code}`);
    disconnect(new Unavailable(`${name} is being started again`));
  });
  try {
    await remote.start(options.data() as never);
  } catch (error) {
    await terminate();
    throw error;
  }
  return { remote, ended, terminate };
}
