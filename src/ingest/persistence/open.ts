/** Opens the broker's file in its thread and reads what is to be in memory. */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../std/clock.ts';
import { messageOf, TocsinError } from '../../std/errors.ts';
import type { Logger } from '../../std/logger.ts';
import { connect } from '../../std/rpc.ts';
import type { BrokerWorkerData, BrokerWorkerMethods } from './broker-worker.ts';
import type { Applied, QueueBounds } from './operations.ts';
import { Persistence } from './persistence.ts';
import type { RetainedBounds } from './retained.ts';
import { Writes } from './writes.ts';

export interface PersistenceOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
  /** 0 is no limit. */
  readonly limits: { readonly sessions: number; readonly retained: number };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onApplied?: (applied: Applied) => void;
  readonly waitMs?: number;
  readonly queues?: Partial<QueueBounds>;
  readonly retained?: Partial<RetainedBounds>;
}

const WAIT_MS = 5000;
const MEGABYTE = 1024 * 1024;
const QUEUES: QueueBounds = {
  countMax: 1000,
  bytesMax: 2 * MEGABYTE,
  countMaxInAll: 1_000_000,
  bytesMaxInAll: 256 * MEGABYTE,
};
const RETAINED = { bytesMax: MEGABYTE / 8, bytesMaxInAll: 64 * MEGABYTE };

/** Rejects when the file cannot be used. A fault of its thread later on is thrown: without it nothing can be promised. */
export async function openPersistence(options: PersistenceOptions): Promise<Persistence> {
  const { path, limits, clock, logger, waitMs = WAIT_MS } = options;
  const workerData: BrokerWorkerData = { path, queues: { ...QUEUES, ...options.queues } };
  const worker = new Worker(new URL('./broker-worker.ts', import.meta.url), { workerData, name: 'broker' });
  const { remote, disconnect } = connect<BrokerWorkerMethods>(worker, {});
  let isOver = false;
  worker.once('exit', (code) => {
    disconnect(new TocsinError('the broker is closed'));
    if (!isOver) throw new TocsinError(`the broker's thread ended with exit code ${code}`);
  });
  worker.once('error', (cause) => {
    throw new TocsinError(`the broker's thread failed: ${messageOf(cause)}`, { cause });
  });
  const onApplied = options.onApplied ?? (() => undefined);
  const writes = new Writes({ apply: (operations) => remote.apply(operations), onApplied, clock, logger, waitMs });
  const close = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    await writes.drained();
    writes.close();
    await Promise.race([remote.close(), clock.sleep(waitMs)]);
    await worker.terminate();
  };
  try {
    const stored = await remote.open();
    onApplied(stored.applied);
    const retained = { countMax: limits.retained, ...RETAINED, ...options.retained };
    return new Persistence({ writes, remote, stored, sessionsMax: limits.sessions, retained, close });
  } catch (error) {
    isOver = true;
    await worker.terminate();
    throw error;
  }
}
