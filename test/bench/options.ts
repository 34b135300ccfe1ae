/** What the bench is asked to measure. Every error names its option. */
import { parseArgs } from 'node:util';

export const SUBSCRIBERS = ['none', 'unrelated', 'all'] as const;
export const HISTORIES = ['none', 'sqlite', 'influx'] as const;
export type Subscribers = (typeof SUBSCRIBERS)[number];
/** Where Tocsin keeps the readings; `none` measures "durable and evaluated". */
export type History = (typeof HISTORIES)[number];

export interface BenchOptions {
  readonly connections: readonly number[];
  readonly subscribers: readonly Subscribers[];
  readonly histories: readonly History[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly repeats: number;
  /** Absent: 100 a connection, fewer with many connections. */
  readonly window: number | null;
  readonly rules: number;
  readonly throughput: boolean;
  readonly alerts: boolean;
  readonly alertRate: number;
  readonly json: boolean;
}

export const USAGE = `usage: npm run bench -- [options]
       npm run bench -- rules [options]   what evaluating rules costs, without a broker; --help has more
       npm run bench -- formats           what decoding costs, format by format
       npm run bench -- nab               which shapes of rule find how many labelled anomalies

  --connections 10,100,1000          publishing connections
  --subscribers none,unrelated,all   MQTT subscribers beside them: none, one to another topic, one to #
  --history none,sqlite,influx       where Tocsin keeps readings; none: durable and evaluated only
  --seconds 4                        measured time of a run
  --warm-up 2                        load before it, seconds
  --repeats 3                        runs of each, bare and Tocsin in turn; medians are printed
  --window N                         unacknowledged publishes a connection
  --rules 20                         rules that apply to every reading
  --alerts                           only the time from publish to the end of SMTP DATA
  --no-alerts                        leaves that out
  --alert-rate 5000                  readings a second beside the alerts
  --json                             one JSON object on stdout instead of tables
`;

/** @throws Error with one sentence for the user. */
export function parseBenchOptions(argv: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      connections: { type: 'string', default: '10,100,1000' },
      subscribers: { type: 'string', default: 'none,unrelated,all' },
      history: { type: 'string', default: 'none,sqlite,influx' },
      seconds: { type: 'string', default: '4' },
      'warm-up': { type: 'string', default: '2' },
      repeats: { type: 'string', default: '3' },
      window: { type: 'string' },
      rules: { type: 'string', default: '20' },
      alerts: { type: 'boolean' },
      'alert-rate': { type: 'string', default: '5000' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    connections: values.connections.split(',').map((text) => positive('connections', text)),
    subscribers: values.subscribers.split(',').map((text) => oneOf('subscribers', text, SUBSCRIBERS)),
    histories: values.history.split(',').map((text) => oneOf('history', text, HISTORIES)),
    seconds: positive('seconds', values.seconds),
    warmUpSeconds: positive('warm-up', values['warm-up']),
    repeats: positive('repeats', values.repeats),
    window: values.window === undefined ? null : positive('window', values.window),
    rules: positive('rules', values.rules),
    throughput: values.alerts !== true,
    alerts: values.alerts !== false,
    alertRate: positive('alert-rate', values['alert-rate']),
    json: values.json,
  };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${option} wants numbers above 0, not "${text}"`);
  return value;
}

function oneOf<const T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === text);
  if (found === undefined) throw new Error(`--${option} knows ${allowed.join(', ')}, not "${text}"`);
  return found;
}
