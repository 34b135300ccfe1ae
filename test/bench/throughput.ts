/** One run: load on one subject, and what was seen of both. */
import { forkPublisher } from '../load/fork.ts';
import { cpuSecondsOf, residentBytesOf } from '../load/process-stats.ts';
import type { PublisherResult } from '../load/publisher.ts';
import type { Subscribers } from './options.ts';
import { type Subject, secondsUntilCaughtUp } from './subjects.ts';

export interface Sample {
  readonly readingsPerSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly cpuSecondsPer100k: number;
  readonly publisherCpuSecondsPer100k: number;
  readonly peakBytes: number;
  readonly delayP99Ms: number;
  /** Readings behind at the moment the publisher stopped, the slowest consumer's. */
  readonly lagReadings: number;
  readonly lagOf: string | null;
  readonly caughtUpSeconds: number;
}

export interface Load {
  readonly connections: number;
  readonly window: number;
  readonly subscribers: Subscribers;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly seed: number;
}

const CATCH_UP_WAIT_MS = 120_000;
const FILTERS = { none: [], unrelated: ['other/topic'], all: ['#'] } as const;
/** About as many publishes under way in all as keep a broker busy without making latency all queue. */
const OUTSTANDING = 5000;

export const defaultWindow = (connections: number): number => Math.max(10, Math.min(100, Math.round(OUTSTANDING / connections)));

export async function runOnce(subject: Subject, load: Load): Promise<Sample> {
  const { subscribers, ...publisher } = load;
  const measured = Promise.withResolvers<Measured>();
  let cpuBefore = 0;
  let lookedBefore: Promise<unknown> = Promise.resolve();
  const ended = forkPublisher({ ...publisher, port: subject.mqttPort, subscribe: FILTERS[subscribers] }, (event) => {
    if (event.event === 'measuring') {
      cpuBefore = cpuSecondsOf(subject.pid);
      // Starts the count of the delay anew; the answer is not of this run.
      lookedBefore = subject.look();
    } else if (event.event === 'measured') {
      const cpuSeconds = cpuSecondsOf(subject.pid) - cpuBefore;
      measured.resolve(lookAtServer({ subject, result: event.result, cpuSeconds, lookedBefore }));
    }
  });
  // The publisher fails before it has measured, or measures before it ends.
  await Promise.race([measured.promise, ended]);
  const [outcome] = await Promise.all([measured.promise, ended]);
  return sampleOf(subject, outcome);
}

interface Measured {
  readonly result: PublisherResult;
  readonly cpuSeconds: number;
  readonly delayP99Ms: number;
  readonly lag: Readonly<Record<string, number>>;
  readonly caughtUpSeconds: number;
}

async function lookAtServer(parts: {
  subject: Subject;
  result: PublisherResult;
  cpuSeconds: number;
  lookedBefore: Promise<unknown>;
}): Promise<Measured> {
  const { subject, result, cpuSeconds, lookedBefore } = parts;
  // In order: the answer to the first look must not be taken for that to the second.
  await lookedBefore;
  const { delayP99Ms, lag } = await subject.look();
  return { result, cpuSeconds, delayP99Ms, lag, caughtUpSeconds: await secondsUntilCaughtUp(subject, CATCH_UP_WAIT_MS) };
}

function sampleOf(subject: Subject, measured: Measured): Sample {
  const { result, cpuSeconds, lag } = measured;
  if (result.outOfOrder > 0 || result.lostConnections > 0) {
    throw new Error(`the run is void: ${result.outOfOrder} acknowledgements out of order, ${result.lostConnections} connections lost`);
  }
  const per100k = 100_000 / result.acknowledged;
  const slowest = Object.entries(lag).toSorted((a, b) => b[1] - a[1])[0];
  return {
    readingsPerSecond: result.acknowledged / result.seconds,
    ackP50Ms: result.ackP50Ms,
    ackP99Ms: result.ackP99Ms,
    cpuSecondsPer100k: cpuSeconds * per100k,
    publisherCpuSecondsPer100k: result.cpuSeconds * per100k,
    peakBytes: residentBytesOf(subject.pid).peak,
    delayP99Ms: measured.delayP99Ms,
    lagReadings: slowest?.[1] ?? 0,
    lagOf: slowest !== undefined && slowest[1] > 0 ? slowest[0] : null,
    caughtUpSeconds: measured.caughtUpSeconds,
  };
}
