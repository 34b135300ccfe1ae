/**
 * `npm run bench`: Tocsin against a bare Aedes in the same run, with the same publisher on the same cores. Bare and Tocsin take
 * turns, every run on a fresh process, and what counts is the median of the ratios: the machine's own speed cancels out.
 * `rules`, `nab` and `formats` as the first word are benches of their own, without a broker.
 */
import { cpus, totalmem } from 'node:os';
import { isEnding } from '../load/server.ts';
import { type AlertLatency, measureAlertLatency } from './alert-latency.ts';
import { benchFormats } from './formats.ts';
import { type InfluxForBench, influxForBench } from './influx.ts';
import { benchNab } from './nab.ts';
import { type BenchOptions, type History, parseBenchOptions, USAGE } from './options.ts';
import { alertLine, type Case, type CaseReport, reportOf, subjectName, tableHead, tableRow } from './report.ts';
import { benchRules } from './rules-main.ts';
import { type Subject, startBare, startTocsin } from './subjects.ts';
import { defaultWindow, type Load, runOnce, type Sample } from './throughput.ts';

const ALERT_SECONDS_MIN = 20;

async function main(): Promise<number> {
  const [word, ...rest] = process.argv.slice(2);
  if (word === 'rules') return benchRules(rest);
  if (word === 'nab') return benchNab();
  if (word === 'formats') return benchFormats();
  const options = parse(process.argv.slice(2));
  if (typeof options === 'number') return options;
  const say = (line: string): void => void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
  const influx = options.histories.includes('influx') ? await influxForBench() : { skipped: 'not asked for' };
  try {
    const histories = options.histories.filter((history) => {
      if (history !== 'influx' || !('skipped' in influx)) return true;
      say(`InfluxDB is left out: ${influx.skipped}`);
      return false;
    });
    say(
      `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 1e9)} GB; medians of ${options.repeats}`,
    );
    const cases = options.throughput ? await measureThroughput(options, histories, influx, say) : [];
    const alerts = options.alerts ? await measureAlerts(options, histories, influx, say) : [];
    if (options.json) process.stdout.write(`${JSON.stringify({ options, cases, alerts }, null, 2)}\n`);
  } finally {
    if ('stop' in influx) await influx.stop();
  }
  return 0;
}

function parse(argv: readonly string[]): BenchOptions | number {
  try {
    const options = parseBenchOptions(argv);
    if (options !== 'help') return options;
    process.stdout.write(USAGE);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
}

async function measureThroughput(
  options: BenchOptions,
  histories: readonly History[],
  influx: InfluxForBench,
  say: (line: string) => void,
): Promise<CaseReport[]> {
  const reports: CaseReport[] = [];
  say(`\n${tableHead()}`);
  for (const subscribers of options.subscribers) {
    for (const connections of options.connections) {
      const ofCase = await measureCase(options, { connections, subscribers }, histories, influx);
      for (const report of ofCase) say(tableRow(report));
      reports.push(...ofCase);
    }
  }
  return reports;
}

async function measureCase(options: BenchOptions, of: Case, histories: readonly History[], influx: InfluxForBench): Promise<CaseReport[]> {
  const bare: Sample[] = [];
  const tocsin = new Map<History, Sample[]>(histories.map((history) => [history, []]));
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    const load: Load = {
      ...of,
      window: options.window ?? defaultWindow(of.connections),
      seconds: options.seconds,
      warmUpSeconds: options.warmUpSeconds,
      seed: repeat + 1,
    };
    bare.push(await runOn(() => startBare(), load));
    for (const [history, samples] of tocsin) {
      const influxUrl = history === 'influx' && 'freshUrl' in influx ? { influxUrl: await influx.freshUrl() } : {};
      samples.push(await runOn(() => startTocsin({ history, rules: options.rules, ...influxUrl }), load));
    }
  }
  return [reportOf(of, 'bare', bare, bare), ...[...tocsin].map(([history, samples]) => reportOf(of, subjectName(history), samples, bare))];
}

async function runOn(start: () => Promise<Subject>, load: Load): Promise<Sample> {
  await using subject = await start();
  return await runOnce(subject, load);
}

async function measureAlerts(
  options: BenchOptions,
  histories: readonly History[],
  influx: InfluxForBench,
  say: (line: string) => void,
): Promise<AlertLatency[]> {
  const results: AlertLatency[] = [];
  say('');
  for (const history of histories) {
    const influxUrl = history === 'influx' && 'freshUrl' in influx ? { influxUrl: await influx.freshUrl() } : {};
    const latency = await measureAlertLatency({
      history,
      ...influxUrl,
      rate: options.alertRate,
      rules: options.rules,
      seconds: Math.max(ALERT_SECONDS_MIN, options.seconds),
      warmUpSeconds: options.warmUpSeconds,
    });
    say(alertLine(latency));
    results.push(latency);
  }
  return results;
}

try {
  process.exitCode = await main();
} catch (error) {
  // Interrupted: its children are gone, and so is this process once they are cleaned up after.
  if (!isEnding()) throw error;
}
