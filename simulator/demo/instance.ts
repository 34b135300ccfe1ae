/** A Tocsin of the demo's own: the shipped configuration, other data, other rules. Started as a child, as a user would. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Clock } from '../../src/std/clock.ts';
import { TocsinError } from '../../src/std/errors.ts';

const ROOT = new URL('../../', import.meta.url);
const START_WITHIN_MS = 30_000;
/** A little longer than `tocsin run` itself takes at most. */
const STOP_WITHIN_MS = 12_000;
const ERROR_LINES_KEPT = 20;

const readyLine = z.object({ event: z.literal('ready'), mqtt: z.array(z.string()), http: z.string() });

export interface Instance {
  /** `mqtt://…`, the first listener that is not a WebSocket. */
  readonly mqtt: string;
  readonly http: string;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** @param options.set further `--set key=value`, after the demo's own */
export async function startInstance(options: { data: string; set: readonly string[]; clock: Clock }): Promise<Instance> {
  const { data, clock } = options;
  const rules = fileURLToPath(new URL('simulator/demo/rules', ROOT));
  const settings = [`data=${data}`, `rules=${rules}`, ...options.set].flatMap((setting) => ['--set', setting]);
  const path = (name: string) => fileURLToPath(new URL(name, ROOT));
  const child = spawn(process.execPath, [path('src/main.ts'), 'run', '--config', path('config/tocsin.yaml'), ...settings], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn' },
    // In a group of its own: Ctrl-C reaches the demo alone, which then stops it once. A second signal would cut it short.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const errors = collectErrors(child.stderr);
  const stop = () => stopChild(child, ended, clock);
  try {
    return { ...(await whenReady(child, ended, errors, clock)), ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Passes the child's errors on and keeps the last ones. */
function collectErrors(stream: Readable): readonly string[] {
  const lines: string[] = [];
  createInterface({ input: stream }).on('line', (line) => {
    process.stderr.write(`${line}\n`);
    lines.push(line);
    if (lines.length > ERROR_LINES_KEPT) lines.shift();
  });
  return lines;
}

async function whenReady(
  child: Child,
  ended: Promise<void>,
  errors: readonly string[],
  clock: Clock,
): Promise<{ mqtt: string; http: string }> {
  const firstLine = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  const waited = new AbortController();
  const line = await Promise.race([firstLine, ended.then(() => null), clock.sleep(START_WITHIN_MS, waited.signal).then(() => undefined)]);
  waited.abort();
  if (line === undefined) throw new TocsinError(`Tocsin was not ready within ${START_WITHIN_MS / 1000} s`);
  if (line === null) {
    const isTaken = errors.some((text) => /EADDRINUSE|is taken|in use/.test(text));
    throw new TocsinError('Tocsin did not start: see above', {
      hint: isTaken
        ? 'another Tocsin or MQTT broker holds the port: stop it, or give this one others (npm run demo -- --help)'
        : 'try npm start alone',
    });
  }
  const { mqtt, http } = readyLine.parse(JSON.parse(line));
  const listener = mqtt.find((url) => url.startsWith('mqtt:'));
  if (listener === undefined) throw new TocsinError('Tocsin has no mqtt:// listener for the simulated devices');
  return { mqtt: listener, http };
}

async function stopChild(child: Child, ended: Promise<void>, clock: Clock): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const waited = new AbortController();
  const isEnded = await Promise.race([ended.then(() => true), clock.sleep(STOP_WITHIN_MS, waited.signal).then(() => false)]);
  waited.abort();
  if (!isEnded) child.kill('SIGKILL');
  await ended;
}
