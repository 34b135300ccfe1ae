/** What is measured: a bare Aedes or Tocsin, each in a process of its own and fresh for every run. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/std/clock.ts';
import { type ServerConfig, startServer, temporaryFolder, watchChild, writeServerConfig } from '../load/server.ts';
import type { History } from './options.ts';

export interface Subject extends AsyncDisposable {
  readonly pid: number;
  readonly mqttPort: number;
  look(): Promise<Look>;
}

/** What a subject says of itself. */
export interface Look {
  /** p99 of the event-loop delay of the thread that serves MQTT since the look before; ms. */
  readonly delayP99Ms: number;
  /** How many readings each consumer is behind; empty for a broker without consumers. */
  readonly lag: Readonly<Record<string, number>>;
}

const BARE = fileURLToPath(new URL('./bare-broker.ts', import.meta.url));
const ANSWER_WAIT_MS = 5000;

export async function startBare(): Promise<Subject> {
  const child = watchChild(fork(BARE, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
  const answer = async (key: 'port' | 'delayP99Ms'): Promise<number> => {
    const [message]: unknown[] = await once(child, 'message', { signal: AbortSignal.timeout(ANSWER_WAIT_MS) });
    if (typeof message !== 'object' || message === null || !(key in message)) throw new Error(`the bare broker did not tell its ${key}`);
    return Number(Reflect.get(message, key));
  };
  const mqttPort = await answer('port');
  return {
    pid: child.pid ?? 0,
    mqttPort,
    async look() {
      const answered = answer('delayP99Ms');
      child.send('delay');
      return { delayP99Ms: await answered, lag: {} };
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

export interface TocsinOptions {
  readonly history: History;
  readonly rules: number;
  /** InfluxDB's base address with the database as its path; only for `influx`. */
  readonly influxUrl?: string;
  readonly smtpUrl?: string;
  readonly moreRules?: ServerConfig['rules'];
}

export async function startTocsin(options: TocsinOptions): Promise<Subject> {
  const folder = temporaryFolder('bench');
  await writeServerConfig(folder.path, {
    settings: settingsOf(options),
    profiles: [PROFILE],
    rules: [...benchRules(options.rules), ...(options.moreRules ?? [])],
  });
  const server = await startServer({ folder: folder.path, environment: { LOG_LEVEL: 'warn' } });
  return {
    pid: server.pid,
    mqttPort: server.mqttPort,
    async look() {
      const metrics = await server.metrics();
      const delays = metrics.all('nodejs_eventloop_lag_p99_seconds').map(({ value }) => value);
      const lags = metrics.all('tocsin_consumer_lag_readings').map(({ labels, value }) => [labels.consumer ?? '', value]);
      return { delayP99Ms: Math.max(...delays) * 1000, lag: Object.fromEntries(lags) };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Asks until every consumer is at the head. Answers the seconds it took, or Infinity after `waitMs`. */
export async function secondsUntilCaughtUp(subject: Subject, waitMs: number): Promise<number> {
  const start = systemClock.monotonicMs();
  while (systemClock.monotonicMs() - start < waitMs) {
    if (Object.values((await subject.look()).lag).every((readings) => readings === 0)) return (systemClock.monotonicMs() - start) / 1000;
    await systemClock.sleep(50);
  }
  return Number.POSITIVE_INFINITY;
}

const PROFILE = {
  profile: 'bench',
  topic: 'sensors/{device}/telemetry',
  decode: 'json',
  interval: '10s',
  metrics: {
    temperature: { path: 'temperature', unit: '°C', range: [-40, 125] },
    humidity: { path: 'humidity', unit: '%', range: [0, 100] },
  },
};

function settingsOf({ history, influxUrl, smtpUrl }: TocsinOptions): Record<string, unknown> {
  return {
    ...(history === 'none' ? { roles: ['ingest', 'alerting', 'notifying', 'web'] } : {}),
    ...(history === 'influx' ? { history: { influx: influxUrl } } : {}),
    ...(smtpUrl === undefined ? {} : { email: { smtp: smtpUrl, from: 'Tocsin <tocsin@localhost>' } }),
  };
}

/**
 * Rules that all apply to every reading of the load and of which none fires: thresholds with and without hysteresis, with
 * and without `for`, on both metrics and across them, with one to three levels, as a real fleet has them.
 */
export function benchRules(count: number): ServerConfig['rules'] {
  const shapes = [
    (step: number) => ({ warning: { when: `temperature > ${40 + step}`, clear: `temperature < ${38 + step}` } }),
    (step: number) => ({ warning: { when: `humidity > ${80 + step / 2}`, for: '5m' } }),
    (step: number) => ({ warning: { when: `temperature < ${-5 - step}` }, critical: { when: `temperature < ${-10 - step}`, for: '1m' } }),
    (step: number) => ({ critical: { when: `temperature > ${30 + step} && humidity > ${70 + step / 2}` } }),
    (step: number) => ({ info: { when: `humidity < ${20 - step / 2}`, for: '10m', clear: `humidity > ${22 - step / 2}` } }),
  ];
  return Array.from({ length: count }, (_, index) => ({
    id: `bench-${String(index + 1).padStart(2, '0')}`,
    devices: { profile: 'bench' },
    levels: shapes[index % shapes.length]?.(Math.floor(index / shapes.length)) ?? {},
  }));
}
