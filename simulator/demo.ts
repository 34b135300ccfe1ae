/**
 * `npm run demo`: Tocsin with its shipped configuration, five simulated vaccine fridges of which one warms up, and on the
 * terminal what becomes of it: the alert, the e-mail, the recovery, all within a minute. Runs on until Ctrl-C.
 * Exit status: 0 stopped, or with --once seen it all; 1 something did not happen; 2 wrong usage.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Clock, systemClock } from '../src/std/clock.ts';
import { messageOf, TocsinError } from '../src/std/errors.ts';
import { type Instance, startInstance } from './demo/instance.ts';
import { type Happening, watch } from './demo/watch.ts';
import { SCENARIOS } from './scenario.ts';
import { simulate } from './simulate.ts';

const USAGE = `usage: npm run demo -- [options]

Starts Tocsin and five simulated vaccine fridges, one of which warms up, and shows what becomes of it. Ctrl-C stops it.

  --set KEY=VALUE   a setting of Tocsin, for instance --set 'mqtt.listeners=["mqtt://127.0.0.1:1884"]'
                    or --set http.listen=http://127.0.0.1:8081; may be given often
  --data DIR        keep data and mails there (default data/demo, emptied at each start)
  --once            stop after the recovery; fails when that takes more than two minutes
  --help            this text
`;
const OWN_DATA = fileURLToPath(new URL('../data/demo', import.meta.url));
/** A second here is a minute for a fridge: it takes about 20 to warm past its limit. */
const PACE = { intervalMs: 1000, speed: 60, devices: 5, seed: 1 } as const;
const ONCE_WITHIN_MS = 120_000;

interface DemoOptions {
  readonly set: readonly string[];
  readonly data: string | undefined;
  readonly once: boolean;
}

async function demo(options: DemoOptions, stopped: AbortSignal): Promise<number> {
  const clock = systemClock;
  const data = options.data === undefined ? OWN_DATA : resolve(options.data);
  if (options.data === undefined) await rm(OWN_DATA, { recursive: true, force: true });
  await mkdir(data, { recursive: true });
  const instance = await startInstance({ data, set: options.set, clock });
  try {
    return await show({ instance, data, clock, once: options.once }, stopped);
  } finally {
    await instance.stop();
  }
}

async function show(options: { instance: Instance; data: string; clock: Clock; once: boolean }, stopped: AbortSignal): Promise<number> {
  const { instance, clock } = options;
  const finished = new AbortController();
  const signal = AbortSignal.any([stopped, finished.signal]);
  const print = printer(clock);
  const scenario = SCENARIOS.fridges?.(PACE);
  if (scenario === undefined) throw new TocsinError('the scenario fridges is gone');
  print(`Tocsin listens on ${instance.mqtt} and ${instance.http}`);
  print(`${scenario.devices.length} simulated vaccine fridges report every second; fridge-03 is about to lose its compressor …`);

  const seen = { fired: 0, mail: 0, recovered: 0 };
  const onHappening = (happening: Happening): void => {
    seen[happening.kind] += 1;
    print(describe(happening, instance.http));
    if (happening.kind === 'recovered' && !options.once) print('that was it; it goes on until Ctrl-C');
    if (options.once && seen.fired > 0 && seen.mail > 0 && seen.recovered > 0) finished.abort();
  };
  const mailDirectory = join(options.data, 'mail');
  const pace = { intervalMs: PACE.intervalMs, speed: PACE.speed };
  let isLost = false;
  void instance.ended.then(() => {
    isLost = !signal.aborted;
    finished.abort();
  });
  await Promise.all([
    simulate({ url: instance.mqtt, scenario, ...pace, clock, report: () => undefined }, signal),
    watch({ http: instance.http, mailDirectory, clock, onHappening, onTrouble: print }, signal),
    options.once ? clock.sleep(ONCE_WITHIN_MS, signal).then(() => finished.abort()) : undefined,
  ]);
  if (isLost) throw new TocsinError('Tocsin ended by itself: see above');
  if (!options.once || stopped.aborted) return 0;
  const missing = Object.entries(seen).filter(([, count]) => count === 0);
  for (const [what] of missing) print(`not seen within ${ONCE_WITHIN_MS / 1000} s: ${what}`);
  return missing.length === 0 ? 0 : 1;
}

function describe(happening: Happening, http: string): string {
  if (happening.kind === 'mail') return `E-MAIL     to ${happening.to}: ${happening.subject}\n           ${shortPath(happening.path)}`;
  const { alert } = happening;
  if (happening.kind === 'fired') return `ALERT      ${alert.level}: ${alert.summary}\n           ${http}/api/v1/alerts/${alert.id}`;
  return `RECOVERED  ${alert.device}`;
}

/** From here, unless it lies elsewhere. */
function shortPath(path: string): string {
  const fromHere = relative('.', path);
  return fromHere.startsWith('..') ? path : fromHere;
}

/** Lines with the time since the start. */
function printer(clock: Clock): (line: string) => void {
  const startMs = clock.monotonicMs();
  return (line) => {
    const seconds = Math.round((clock.monotonicMs() - startMs) / 1000);
    process.stdout.write(`${String(seconds).padStart(4)} s  ${line}\n`);
  };
}

async function main(argv: readonly string[]): Promise<number> {
  let values: { set?: string[]; data?: string; once?: boolean; help?: boolean };
  try {
    const options = {
      set: { type: 'string', multiple: true },
      data: { type: 'string' },
      once: { type: 'boolean' },
      help: { type: 'boolean' },
    } as const;
    values = parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\nhint: --help lists the options\n`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  try {
    return await demo({ set: values.set ?? [], data: values.data, once: values.once === true }, stop.signal);
  } catch (error) {
    process.stderr.write(`${error instanceof TocsinError ? error.render() : messageOf(error)}\n`);
    return 1;
  }
}

process.exit(await main(process.argv.slice(2)));
