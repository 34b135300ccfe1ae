/** `npm run simulate -- …`: devices that behave, and one that does not. Ctrl-C stops it. Exit status 2: wrong usage. */
import { parseArgs } from 'node:util';
import { systemClock } from '../src/std/clock.ts';
import { messageOf } from '../src/std/errors.ts';
import { parseDurationMs } from '../src/std/quantity.ts';
import { SCENARIOS } from './scenario.ts';
import { type SimulationOptions, simulate } from './simulate.ts';

const USAGE = `usage: npm run simulate -- [options]

Publishes what simulated devices measure, over MQTT, until Ctrl-C.

  --url URL          where to publish            (default mqtt://127.0.0.1:1883)
  --scenario NAME    ${Object.keys(SCENARIOS).join(', ')}                     (default fridges)
  --devices N        how many devices, 1 to 1000 (default 5)
  --interval TIME    between two messages of one (default 5s)
  --speed N          how much faster their time runs, 0.1 to 1000 (default 1)
  --seed N           the same seed gives the same fleet (default 1)
  --help             this text

fridges: vaccine fridges on sensors/fridge-NN/telemetry; the third loses its compressor after 2 minutes of its time,
is mended after half an hour, and again every three hours. With --speed 60 a minute of the fridge is a second here.
`;
const DEVICES_MAX = 1000;
const INTERVAL_MS_MIN = 10;
const SPEED_MAX = 1000;
const SPEED_MIN = 0.1;

/** The options, or what is wrong with them. */
function parseOptions(argv: readonly string[]): Omit<SimulationOptions, 'report'> | string {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: { url: text, scenario: text, devices: text, interval: text, speed: text, seed: text },
  });
  const url = values.url ?? 'mqtt://127.0.0.1:1883';
  if (!URL.canParse(url) || !/^(mqtts?|wss?):$/.test(new URL(url).protocol))
    return `--url ${url}: not an address such as mqtt://127.0.0.1:1883`;
  const name = values.scenario ?? 'fridges';
  const build = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
  if (build === undefined) return `--scenario ${name}: there is none of that name, only ${Object.keys(SCENARIOS).join(', ')}`;
  const devices = Number(values.devices ?? 5);
  if (!Number.isInteger(devices) || devices < 1 || devices > DEVICES_MAX)
    return `--devices ${values.devices}: must be from 1 to ${DEVICES_MAX}`;
  const intervalMs = parseDurationMs(values.interval ?? '5s');
  if (intervalMs === undefined || intervalMs < INTERVAL_MS_MIN)
    return `--interval ${values.interval}: must be a time such as 500ms, 5s or 1m`;
  const speed = Number(values.speed ?? 1);
  if (!(speed >= SPEED_MIN && speed <= SPEED_MAX)) return `--speed ${values.speed}: must be from ${SPEED_MIN} to ${SPEED_MAX}`;
  const seed = Number(values.seed ?? 1);
  if (!Number.isSafeInteger(seed)) return `--seed ${values.seed}: must be a whole number`;
  return { url, scenario: build({ devices, seed }), intervalMs, speed, clock: systemClock };
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  let options: ReturnType<typeof parseOptions>;
  try {
    options = parseOptions(argv);
  } catch (error) {
    options = messageOf(error);
  }
  if (typeof options === 'string') {
    process.stderr.write(`${options}\nhint: --help lists the options\n`);
    return 2;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const report = (line: string): boolean => process.stderr.write(`${line}\n`);
  report(
    `${options.scenario.devices.length} devices: ${options.scenario.devices.slice(0, 5).join(', ')}${options.scenario.devices.length > 5 ? ', …' : ''}`,
  );
  const totals = await simulate({ ...options, report }, stop.signal);
  process.stdout.write(
    `${totals.acknowledged} messages acknowledged, ${totals.skipped} skipped while there was no connection or no acknowledgement\n`,
  );
  return 0;
}

process.exit(await main(process.argv.slice(2)));
