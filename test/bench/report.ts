/** Medians over the repeats, and the tables. Ratios are taken within one repeat, because the machine's speed drifts between them. */
import { median } from '../load/histogram.ts';
import type { AlertLatency } from './alert-latency.ts';
import type { History, Subscribers } from './options.ts';
import type { Sample } from './throughput.ts';

export interface Case {
  readonly connections: number;
  readonly subscribers: Subscribers;
}

export interface CaseReport extends Case {
  /** `bare`, or what Tocsin did with the readings. */
  readonly subject: 'bare' | 'evaluated' | 'stored sqlite' | 'stored influx';
  readonly readingsPerSecond: number;
  /** Of bare Aedes in the same repeat. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly cpuSecondsPer100k: number;
  readonly publisherCpuSecondsPer100k: number;
  readonly peakMegabytes: number;
  readonly peakMegabytesAboveBare: number;
  readonly delayP99Ms: number;
  readonly lagReadings: number;
  readonly lagOf: string | null;
  /** From the moment the publisher stopped until every consumer was at the head. */
  readonly caughtUpSeconds: number;
}

export const subjectName = (history: History): CaseReport['subject'] => (history === 'none' ? 'evaluated' : `stored ${history}`);

export function reportOf(of: Case, subject: CaseReport['subject'], samples: readonly Sample[], bare: readonly Sample[]): CaseReport {
  const middle = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  const ratios = samples.map((sample, index) => sample.readingsPerSecond / (bare[index]?.readingsPerSecond ?? Number.NaN));
  const above = samples.map((sample, index) => sample.peakBytes - (bare[index]?.peakBytes ?? Number.NaN));
  return {
    ...of,
    subject,
    readingsPerSecond: middle((sample) => sample.readingsPerSecond),
    ratio: median(ratios),
    ratios,
    ackP50Ms: middle((sample) => sample.ackP50Ms),
    ackP99Ms: middle((sample) => sample.ackP99Ms),
    cpuSecondsPer100k: middle((sample) => sample.cpuSecondsPer100k),
    publisherCpuSecondsPer100k: middle((sample) => sample.publisherCpuSecondsPer100k),
    peakMegabytes: middle((sample) => sample.peakBytes) / 1e6,
    peakMegabytesAboveBare: median(above) / 1e6,
    delayP99Ms: middle((sample) => sample.delayP99Ms),
    lagReadings: middle((sample) => sample.lagReadings),
    lagOf: samples.find((sample) => sample.lagOf !== null)?.lagOf ?? null,
    caughtUpSeconds: middle((sample) => sample.caughtUpSeconds),
  };
}

const COLUMNS: readonly [title: string, width: number, cell: (report: CaseReport) => string][] = [
  ['conn', 5, (report) => String(report.connections)],
  ['subscr.', 10, (report) => report.subscribers],
  ['subject', 14, (report) => report.subject],
  ['readings/s', 11, (report) => Math.round(report.readingsPerSecond).toLocaleString('en')],
  ['ratio', 6, (report) => report.ratio.toFixed(2)],
  ['ack p50', 9, (report) => `${report.ackP50Ms.toFixed(1)} ms`],
  ['ack p99', 9, (report) => `${report.ackP99Ms.toFixed(1)} ms`],
  ['CPU/100k', 9, (report) => `${report.cpuSecondsPer100k.toFixed(2)} s`],
  ['RSS', 7, (report) => `${Math.round(report.peakMegabytes)} MB`],
  ['+bare', 8, (report) => (report.subject === 'bare' ? '' : `${Math.round(report.peakMegabytesAboveBare)} MB`)],
  ['loop p99', 9, (report) => `${report.delayP99Ms.toFixed(1)} ms`],
  ['lag', 9, (report) => (report.subject === 'bare' ? '' : Math.round(report.lagReadings).toLocaleString('en'))],
  ['until 0', 8, (report) => (report.subject === 'bare' ? '' : `${report.caughtUpSeconds.toFixed(2)} s`)],
  ['  of', 12, (report) => (report.lagOf === null ? '' : `  ${report.lagOf}`)],
];

export const tableHead = (): string =>
  COLUMNS.map(([title, width]) => title.padStart(width))
    .join(' ')
    .trimEnd();
export const tableRow = (report: CaseReport): string =>
  COLUMNS.map(([, width, cell]) => cell(report).padStart(width))
    .join(' ')
    .trimEnd();

export function alertLine(latency: AlertLatency): string {
  const { history, offeredPerSecond, crossings, missing, p50Ms, p99Ms, maxMs } = latency;
  const missed = missing === 0 ? '' : `, ${missing} MISSING`;
  return (
    `${offeredPerSecond.toLocaleString('en')} readings/s, history ${history}: publish → end of SMTP DATA ` +
    `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, max ${maxMs.toFixed(1)} ms (${crossings} crossings${missed})`
  );
}
