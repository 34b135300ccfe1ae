/**
 * Tocsin as its users run it, for tests that need a whole process: started on free ports with a config of its own in a
 * temporary folder, watched until its ready line, killed, stopped, started again on the same data.
 *
 * No child and no folder outlives the test process: both are registered and removed at its exit, on SIGINT and SIGTERM too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/std/clock.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const READY_WAIT_MS = 30_000;
const STOP_WAIT_MS = 15_000;
const STDERR_KEPT_BYTES = 16_384;
const REQUEST_WAIT_MS = 10_000;
const SIGNAL_WAIT_MS = 5000;

/** Parts of a configuration; all in JSON, which is YAML. */
export interface ServerConfig {
  /** Over the harness' own defaults in tocsin.yaml; a key given here replaces the whole section. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly profiles?: readonly Readonly<Record<string, unknown>>[];
  readonly rules: readonly Readonly<Record<string, unknown>>[];
  readonly notify?: Readonly<Record<string, unknown>>;
  /** `fleet.yaml`, as text. */
  readonly fleet?: string;
}

export interface StartOptions {
  /** The folder made by `writeServerConfig`. */
  readonly folder: string;
  readonly set?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly readyWaitMs?: number;
}

export interface Server extends AsyncDisposable {
  readonly pid: number;
  /** Of the plain MQTT listener. */
  readonly mqttPort: number;
  /** Of each kind of listener. */
  readonly ports: Readonly<Record<string, number>>;
  readonly httpUrl: string;
  /** Settles when the process has ended, however it ended. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  isRunning(): boolean;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** SIGTERM; rejects when the process is not gone with status 0 in time. Answers how long it took, in ms. */
  stop(): Promise<number>;
  stderrTail(): string;
  /** Status and parsed body; a body that is no JSON is handed over as text. */
  get(path: string): Promise<{ status: number; body: unknown }>;
  metrics(): Promise<Metrics>;
}

const liveChildren = new Set<ChildProcess>();
const liveFolders = new Set<string>();
const stops = new Set<() => Promise<void>>();
let ending = false;

export function removeAllLeftovers(): void {
  for (const child of liveChildren) child.kill('SIGKILL');
  for (const folder of liveFolders) rmSync(folder, { recursive: true, force: true });
}
process.once('exit', removeAllLeftovers);
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, async () => {
    ending = true;
    removeAllLeftovers();
    await Promise.race([Promise.allSettled([...stops].map((stop) => stop())), systemClock.sleep(SIGNAL_WAIT_MS)]);
    process.exit(status);
  });
}

/** True once a signal has begun to end this process: what fails from then on is no one's concern. */
export const isEnding = (): boolean => ending;

/** What else is to be stopped when a signal ends this process. */
export function stopOnSignal(stop: () => Promise<void>): void {
  stops.add(stop);
}

/** Kills the child when this process ends before it does. */
export function watchChild(child: ChildProcess): ChildProcess {
  liveChildren.add(child);
  child.once('exit', () => liveChildren.delete(child));
  return child;
}

export function temporaryFolder(prefix: string): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), `tocsin-${prefix}-`));
  liveFolders.add(path);
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
      liveFolders.delete(path);
    },
  };
}

/** Writes `config/tocsin.yaml` and what it refers to below `folder`; data goes to `folder/data`. */
export async function writeServerConfig(folder: string, config: ServerConfig): Promise<void> {
  await mkdir(join(folder, 'config', 'rules'), { recursive: true });
  await mkdir(join(folder, 'devices', 'profiles'), { recursive: true });
  const settings = {
    data: '../data',
    mqtt: { listeners: ['mqtt://127.0.0.1:0'] },
    http: { listen: 'http://127.0.0.1:0' },
    devices: '../devices',
    rules: './rules',
    notify: './notify.yaml',
    // Readings, positions and devices are counted by what a test sends; tests of Tocsin watching itself say `self` themselves.
    self: 'off',
    ...config.settings,
  };
  // At once, and each for itself: how long news wait for others is test/notify/dispatch's to try.
  const atOnce = { groupWait: '0s', groupInterval: '0s' };
  const notify = {
    contacts: { operator: { email: 'operator@example.org' } },
    default: { to: ['operator'], ...atOnce },
    storm: 'off',
    limits: 'off',
    ...config.notify,
  };
  await Promise.all([
    writeFile(join(folder, 'config', 'tocsin.yaml'), JSON.stringify(settings, null, 2)),
    writeFile(join(folder, 'config', 'notify.yaml'), JSON.stringify(notify, null, 2)),
    writeFile(join(folder, 'config', 'rules', 'rules.yaml'), JSON.stringify({ rules: config.rules }, null, 2)),
    ...(config.fleet === undefined ? [] : [writeFile(join(folder, 'devices', 'fleet.yaml'), config.fleet)]),
    ...(config.profiles ?? []).map((profile) =>
      writeFile(join(folder, 'devices', 'profiles', `${String(profile.profile)}.yaml`), JSON.stringify(profile, null, 2)),
    ),
  ]);
}

export async function startServer(options: StartOptions): Promise<Server> {
  const file = join(options.folder, 'config', 'tocsin.yaml');
  const settings = (options.set ?? []).flatMap((setting) => ['--set', setting]);
  const child = watchChild(
    spawn(process.execPath, [MAIN, 'run', '--config', file, ...settings], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...options.environment },
    }),
  );
  const stderrTail = keepTail(child);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  try {
    const ready = await readyLine(child, ended, options.readyWaitMs ?? READY_WAIT_MS);
    return new RunningServer(child, { ...ready, ended, stderrTail });
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw new Error(`Tocsin did not start: ${error instanceof Error ? error.message : String(error)}\nstderr:\n${stderrTail()}`);
  }
}

class RunningServer implements Server {
  readonly pid: number;
  readonly mqttPort: number;
  readonly ports: Server['ports'];
  readonly httpUrl: string;
  readonly ended: Server['ended'];
  readonly stderrTail: () => string;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, parts: Ready & { ended: Server['ended']; stderrTail: () => string }) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.mqttPort = parts.mqttPort;
    this.ports = parts.ports;
    this.httpUrl = parts.httpUrl;
    this.ended = parts.ended;
    this.stderrTail = parts.stderrTail;
  }

  isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  async stop(): Promise<number> {
    const start = systemClock.monotonicMs();
    this.#child.kill('SIGTERM');
    const outcome = await Promise.race([this.ended, systemClock.sleep(STOP_WAIT_MS).then(() => 'timeout' as const)]);
    if (outcome === 'timeout') {
      await this.kill();
      throw new Error(`Tocsin did not stop within ${STOP_WAIT_MS} ms\nstderr:\n${this.stderrTail()}`);
    }
    if (outcome.code !== 0) {
      throw new Error(`Tocsin ended with ${outcome.code ?? outcome.signal} instead of 0\nstderr:\n${this.stderrTail()}`);
    }
    return systemClock.monotonicMs() - start;
  }

  async get(path: string): Promise<{ status: number; body: unknown }> {
    const response = await fetch(new URL(path, this.httpUrl), { signal: AbortSignal.timeout(REQUEST_WAIT_MS) });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  async metrics(): Promise<Metrics> {
    const { status, body } = await this.get('/metrics');
    if (status !== 200 || typeof body !== 'string') throw new Error(`/metrics answered ${status}\nstderr:\n${this.stderrTail()}`);
    return new Metrics(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning()) await this.kill();
  }
}

/** Samples of the Prometheus text format. */
export class Metrics {
  readonly #samples: { name: string; labels: Record<string, string>; value: number }[] = [];

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
      if (match === null) continue;
      const labels: Record<string, string> = {};
      for (const [, key, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key ?? ''] = value ?? '';
      this.#samples.push({ name: match[1] ?? '', labels, value: Number(match[3]) });
    }
  }

  /** Every sample of that name whose labels include these. */
  all(name: string, labels: Readonly<Record<string, string>> = {}): readonly { labels: Record<string, string>; value: number }[] {
    return this.#samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  }

  /** The sum over the samples that match; 0 when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.all(name, labels).reduce((sum, sample) => sum + sample.value, 0);
  }

  first(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.all(name, labels)[0]?.value;
  }
}

function keepTail(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (text: string) => {
    tail = (tail + text).slice(-STDERR_KEPT_BYTES);
  });
  return () => tail;
}

type Ready = Pick<Server, 'mqttPort' | 'ports' | 'httpUrl'>;

async function readyLine(child: ChildProcess, ended: Server['ended'], waitMs: number): Promise<Ready> {
  const found = Promise.withResolvers<Ready>();
  let text = '';
  child.stdout?.setEncoding('utf8');
  child.stdout?.on('data', (chunk: string) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const ready = parseReady(line);
      if (ready !== undefined) found.resolve(ready);
    }
  });
  const timeout = new AbortController();
  try {
    return await Promise.race([
      found.promise,
      ended.then(({ code, signal }) => {
        throw new Error(`it ended with ${code ?? signal} before its ready line`);
      }),
      systemClock.sleep(waitMs, timeout.signal).then(() => {
        throw new Error(`no ready line within ${waitMs} ms`);
      }),
    ]);
  } finally {
    timeout.abort();
  }
}

function parseReady(line: string): Ready | undefined {
  if (!line.includes('"ready"')) return undefined;
  const message: unknown = JSON.parse(line);
  if (typeof message !== 'object' || message === null || !('mqtt' in message) || !('http' in message)) return undefined;
  const { mqtt, http } = message;
  if (!Array.isArray(mqtt) || typeof http !== 'string') return undefined;
  const listener = mqtt.map(String).find((url) => url.startsWith('mqtt:'));
  const ports = Object.fromEntries(mqtt.map((url) => [new URL(String(url)).protocol.slice(0, -1), Number(new URL(String(url)).port)]));
  return listener === undefined ? undefined : { mqttPort: Number(new URL(listener).port), ports, httpUrl: http };
}
