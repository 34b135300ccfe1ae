/**
 * `npm run bench -- nab`: which shapes of rule find how many of the labelled anomalies of the Numenta Anomaly Benchmark, and how
 * often they alert. Each series runs through the real rules, with bounds from its first 15 %, which then does not count.
 * An anomaly is found when an alert fires within its labelled window.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import { Replay } from '../../src/replay/replay.ts';
import { formatDurationMs } from '../../src/std/quantity.ts';
import { directoryOf, metric, profileOf, rulesOf } from '../alerts/scenario.ts';
import { median } from '../load/histogram.ts';
import { configOf } from '../notify/fixtures.ts';

export const NAB_FOLDER = '../shared/data/timeseries/nab';

/** Series that are read together; a set that is not there makes no column. */
const SETS: Readonly<Record<string, (path: string) => boolean>> = {
  'office temperature': (path) => path === 'realKnownCause/ambient_temperature_system_failure.csv',
  'machine temperature': (path) => path === 'realKnownCause/machine_temperature_system_failure.csv',
  'road traffic': (path) => path.startsWith('realTraffic/'),
  'servers in a cloud': (path) => path.startsWith('realAWSCloudwatch/'),
};
const PROBATION = 0.15;
const WEEK_US = 7 * 86_400_000_000;
const US = 1000;

export interface NabCell {
  readonly found: number;
  readonly windows: number;
  readonly perWeek: number;
}
export interface NabTable {
  readonly sets: readonly { readonly name: string; readonly series: number; readonly weeks: number }[];
  readonly rows: readonly { readonly shape: string; readonly cells: readonly NabCell[] }[];
}

interface Bounds {
  readonly mean: number;
  readonly deviation: number;
  /** Of the differences over two hours. */
  readonly change: number;
  /** Two of the usual intervals: true three times in a row. */
  readonly hold: string;
}

interface Shape {
  readonly name: string;
  /** The level, as YAML. */
  readonly level: (bounds: Bounds) => string;
  /** Counts every reading that the condition is true of, as something does that remembers nothing. */
  readonly isEveryReading?: boolean;
}

const beyond = (low: string, high: string): string => `value > ${high} || value < ${low}`;
const fixed = ({ mean, deviation }: Bounds, times: number): string =>
  beyond(number(mean - times * deviation), number(mean + times * deviation));
const within = ({ mean, deviation }: Bounds, times: number): string =>
  `value < ${number(mean + times * deviation)} && value > ${number(mean - times * deviation)}`;
const ROLLING = beyond("avg(value, '1d') - 4 * stddev(value, '1d')", "avg(value, '1d') + 4 * stddev(value, '1d')");
const fromMedian = ({ deviation }: Bounds): string =>
  beyond(`median(value, '1d') - ${number(4 * deviation)}`, `median(value, '1d') + ${number(4 * deviation)}`);
const change = (bounds: Bounds): string =>
  `delta(value, '2h') > ${number(4 * bounds.change)} || delta(value, '2h') < ${number(-4 * bounds.change)}`;
const DAY = ', keepFiringFor: 1d';

/** σ is of the first 15 %; a fixed bound is its mean ± 4σ. */
const SHAPES: readonly Shape[] = [
  { name: 'fixed bound, every reading beyond it', level: (b) => `when: "${fixed(b, 4)}"`, isEveryReading: true },
  { name: 'fixed bound, once per episode', level: (b) => `when: "${fixed(b, 4)}"` },
  { name: 'fixed bound, `keepFiringFor: 3h`', level: (b) => `when: "${fixed(b, 4)}", keepFiringFor: 3h` },
  { name: 'fixed bound, `keepFiringFor: 1d`', level: (b) => `when: "${fixed(b, 4)}"${DAY}` },
  { name: 'fixed bound, `count: {times: 3, of: 5}`', level: (b) => `when: "${fixed(b, 4)}", count: {times: 3, of: 5}` },
  { name: 'fixed bound, `for`', level: (b) => `when: "${fixed(b, 4)}", for: ${b.hold}` },
  { name: 'fixed bound, `for`, `clear` at 3σ', level: (b) => `when: "${fixed(b, 4)}", for: ${b.hold}, clear: "${within(b, 3)}"` },
  { name: 'fixed bound, `for`, `keepFiringFor: 1d`', level: (b) => `when: "${fixed(b, 4)}", for: ${b.hold}${DAY}` },
  { name: 'fixed bound at 3σ, every reading beyond it', level: (b) => `when: "${fixed(b, 3)}"`, isEveryReading: true },
  { name: 'fixed bound at 3σ, `for`, `keepFiringFor: 1d`', level: (b) => `when: "${fixed(b, 3)}", for: ${b.hold}${DAY}` },
  { name: "4 `stddev` from `avg` of `'1d'`, every reading", level: () => `when: "${ROLLING}"`, isEveryReading: true },
  { name: "4 `stddev` from `avg` of `'1d'`, once per episode", level: () => `when: "${ROLLING}"` },
  { name: "4 `stddev` from `avg` of `'1d'`, `keepFiringFor: 1d`", level: () => `when: "${ROLLING}"${DAY}` },
  { name: "4σ from `median` of `'1d'`, once per episode", level: (b) => `when: "${fromMedian(b)}"` },
  { name: "4σ from `median` of `'1d'`, `for`, `keepFiringFor: 1d`", level: (b) => `when: "${fromMedian(b)}", for: ${b.hold}${DAY}` },
  { name: "`delta` over `'2h'` beyond 4σ of its own, once per episode", level: (b) => `when: "${change(b)}"` },
  { name: "`delta` over `'2h'` beyond 4σ of its own, `keepFiringFor: 1d`", level: (b) => `when: "${change(b)}"${DAY}` },
];

/** Null where there is no data. */
export function nabTable(folder: string = NAB_FOLDER): NabTable | null {
  const labels = join(folder, 'labels/combined_windows.json');
  if (!existsSync(labels)) return null;
  const windows = z.record(z.string(), z.array(z.tuple([z.string(), z.string()]))).parse(JSON.parse(readFileSync(labels, 'utf8')));
  const paths = Object.keys(windows).filter((path) => existsSync(join(folder, path)));
  const sets = Object.entries(SETS)
    .map(([name, isIn]) => ({ name, series: paths.filter(isIn) }))
    .filter(({ series }) => series.length > 0)
    .map(({ name, series }) => ({
      name,
      outcomes: series.map((path) =>
        outcomeOf(
          readSeries(join(folder, path)),
          (windows[path] ?? []).map(([from, to]) => [timeUsOf(from), timeUsOf(to)]),
        ),
      ),
    }));
  return {
    sets: sets.map(({ name, outcomes }) => ({ name, series: outcomes.length, weeks: sum(outcomes.map(({ weeks }) => weeks)) })),
    rows: SHAPES.map(({ name }, shape) => ({
      shape: name,
      cells: sets.map(({ outcomes }) => ({
        found: sum(outcomes.map(({ found }) => found[shape] ?? 0)),
        windows: sum(outcomes.map(({ windows: ofSeries }) => ofSeries)),
        perWeek: sum(outcomes.map(({ alerts }) => alerts[shape] ?? 0)) / sum(outcomes.map(({ weeks }) => weeks)),
      })),
    })),
  };
}

interface Point {
  readonly at: number;
  readonly value: number;
}
interface Outcome {
  readonly windows: number;
  readonly weeks: number;
  /** One for each shape. */
  readonly found: readonly number[];
  readonly alerts: readonly number[];
}

function outcomeOf(points: readonly Point[], windows: readonly (readonly number[])[]): Outcome {
  const probation = Math.floor(points.length * PROBATION);
  const intervalUs = median(points.slice(1).map(({ at }, index) => at - (points[index]?.at ?? 0)));
  const from = points[probation]?.at ?? 0;
  const alerts = alertsOf(points, boundsOf(points.slice(0, probation), intervalUs), intervalUs).map((times) =>
    times.filter((at) => at >= from),
  );
  return {
    windows: windows.length,
    weeks: ((points.at(-1)?.at ?? 0) - from) / WEEK_US,
    found: alerts.map((times) => windows.filter(([start = 0, end = 0]) => times.some((at) => at >= start && at <= end)).length),
    alerts: alerts.map((times) => times.length),
  };
}

/** Of each shape, when it alerted. */
function alertsOf(points: readonly Point[], bounds: Bounds, intervalUs: number): number[][] {
  const profile = profileOf({ name: 'series', intervalMs: intervalUs / US, metrics: [metric('value')], limits: {} });
  const directory = directoryOf({ profiles: [profile] });
  const lines = SHAPES.map(({ level }, index) => `  - {id: s${index}, devices: {profile: series}, levels: {warning: {${level(bounds)}}}}`);
  const times = SHAPES.map((): number[] => []);
  const isFiring = SHAPES.map(() => false);
  const replay = new Replay({
    rules: rulesOf(`rules:\n${lines.join('\n')}\n`, directory),
    directory,
    notify: configOf('{contacts: {nobody: {email: nobody@example.org}}, default: {to: []}}'),
    ruleTexts: [],
    startsAt: points[0]?.at ?? 0,
    onTransition: ({ kind, at, alert }) => {
      const shape = Number(alert.rule.slice(1));
      isFiring[shape] = kind === 'resolved' ? false : isFiring[shape] === true || kind === 'firing';
      if (kind === 'firing' && SHAPES[shape]?.isEveryReading !== true) times[shape]?.push(at);
    },
  });
  const device = { id: 'series', profile: 'series', labels: {} };
  const metrics = ['value'];
  for (const { at, value } of points) {
    replay.reading({ device, metrics, values: [value], at, receivedAt: at, flags: FLAG_DEVICE_TIME });
    for (const [shape, { isEveryReading }] of SHAPES.entries())
      if (isEveryReading === true && isFiring[shape] === true) times[shape]?.push(at);
  }
  replay.finish();
  return times;
}

function boundsOf(points: readonly Point[], intervalUs: number): Bounds {
  const values = points.map(({ value }) => value);
  const step = Math.max(1, Math.round(7_200_000_000 / intervalUs));
  const differences = values.slice(step).map((value, index) => value - (values[index] ?? 0));
  return {
    mean: sum(values) / values.length,
    deviation: deviationOf(values),
    change: deviationOf(differences),
    hold: formatDurationMs((2 * intervalUs) / US),
  };
}

function deviationOf(values: readonly number[]): number {
  const mean = sum(values) / values.length;
  return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length);
}

/** The labels have microseconds, the series have not. Neither has a zone. */
const timeUsOf = (text: string): number => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`) * US;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const number = (value: number): string => String(Number(value.toPrecision(6)));

/** In the order of time; of two points at one time the later one in the file counts. */
function readSeries(path: string): Point[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1);
  const points = lines.map((line) => line.split(',')).map(([time = '', value = '']) => ({ at: timeUsOf(time), value: Number(value) }));
  return [...new Map(points.map((point) => [point.at, point])).values()].sort((left, right) => left.at - right.at);
}

/** Prints it; the exit status. */
export function benchNab(): number {
  const table = nabTable();
  if (table === null) {
    process.stderr.write(
      `there is no ${NAB_FOLDER}: the Numenta Anomaly Benchmark, https://github.com/numenta/NAB, its folders data/* and labels\n`,
    );
    return 1;
  }
  for (const { name, series, weeks } of table.sets) process.stdout.write(`${name}: ${series} series, ${weeks.toFixed(0)} weeks in all\n`);
  process.stdout.write(`\n${renderNab(table)}\n`);
  return 0;
}

/** As config/README.md shows it. */
export function renderNab({ sets, rows }: NabTable): string {
  const head = ['shape', ...sets.flatMap(({ name }) => [name, 'a week'])];
  const lines = rows.map(({ shape, cells }) => [
    shape,
    ...cells.flatMap(({ found, windows, perWeek }) => [`${found} of ${windows}`, perWeek < 10 ? perWeek.toFixed(1) : perWeek.toFixed(0)]),
  ]);
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
