/** `npm run bench -- rules`: asks `rules.ts` for its rows and prints them as they come. */
import { parseArgs } from 'node:util';
import { KIND_NAMES, type KindRow, MATCHING, type MemoryRow, measureKind, measureMemory, measureScale, type ScaleRow } from './rules.ts';

const USAGE = `usage: npm run bench -- rules [options]

What evaluation costs, in one process without a broker: readings through rules of which ${MATCHING} are for each device, kinds
of rule against a plain comparison, and bytes a device, instance and window. A ratio is taken within one run.

  --devices 10,1000,10000,100000     devices that report in turn
  --rules 10,100,1000,10000          rules, ${MATCHING} of which are for each device
  --rounds 300                       turns of each; the slowest of the fastest tenth is printed
  --no-scale, --no-kinds, --no-memory   leave a part out
  --json                             one JSON object on stdout instead of tables
`;

interface RulesOptions {
  readonly devices: readonly number[];
  readonly rules: readonly number[];
  readonly rounds: number;
  readonly scale: boolean;
  readonly kinds: boolean;
  readonly memory: boolean;
  readonly json: boolean;
}

/** Prints the rows; the exit status. */
export function benchRules(argv: readonly string[]): number {
  let options: RulesOptions | 'help';
  try {
    options = parse(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options === 'help') process.stdout.write(USAGE);
  else run(options);
  return 0;
}

/** @throws Error with one sentence for the user. */
function parse(argv: readonly string[]): RulesOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      devices: { type: 'string', default: '10,1000,10000,100000' },
      rules: { type: 'string', default: '10,100,1000,10000' },
      rounds: { type: 'string', default: '300' },
      scale: { type: 'boolean', default: true },
      kinds: { type: 'boolean', default: true },
      memory: { type: 'boolean', default: true },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    ...values,
    devices: values.devices.split(',').map((text) => positive('devices', text)),
    rules: values.rules.split(',').map((text) => positive('rules', text)),
    rounds: positive('rounds', values.rounds),
  };
}

function run({ devices, rules, rounds, json, ...parts }: RulesOptions): void {
  const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);

  const scale: ScaleRow[] = [];
  if (parts.scale) say(' devices    rules  ns/reading  ratio  readings/s  evaluations/s  compiled     bound');
  for (const count of parts.scale ? devices : []) {
    for (const row of measureScale(count, rules, rounds)) {
      say(scaleLine(row));
      scale.push(row);
    }
  }
  const kinds: KindRow[] = [];
  if (parts.kinds) say(`\n${'one rule, of the kind'.padEnd(38)}  ns/reading   ratio  readings/s`);
  for (const name of parts.kinds ? KIND_NAMES : []) {
    const row = measureKind(name, rounds);
    say(kindLine(row));
    kinds.push(row);
  }
  if (parts.memory) say('\n   bytes');
  const memory: MemoryRow[] = parts.memory ? measureMemory() : [];
  for (const { what, bytes } of memory) say(`${whole(bytes).padStart(8)}  ${what}`);
  if (json) process.stdout.write(`${JSON.stringify({ matching: MATCHING, scale, kinds, memory }, null, 2)}\n`);
}

const whole = (value: number): string => Math.round(value).toLocaleString('en');

const scaleLine = (row: ScaleRow): string =>
  [
    whole(row.devices).padStart(8),
    whole(row.rules).padStart(8),
    whole(row.nanosecondsPerReading).padStart(11),
    row.ratio.toFixed(2).padStart(6),
    whole(row.readingsPerSecond).padStart(11),
    whole(row.evaluationsPerSecond).padStart(14),
    `${whole(row.compiledMs)} ms`.padStart(9),
    `${whole(row.boundMs)} ms`.padStart(9),
  ].join(' ');

const kindLine = (row: KindRow): string =>
  `${row.kind.padEnd(38)} ${whole(row.nanosecondsPerReading).padStart(11)} ${row.ratio.toFixed(2).padStart(7)} ${whole(row.readingsPerSecond).padStart(11)}`;

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) throw new Error(`--${option} wants whole numbers above 0, not "${text}"`);
  return value;
}
