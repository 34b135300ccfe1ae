/**
 * The logs of certified vaccine-fridge loggers through rules made from what the loggers say of their own alarms, continuous
 * and cumulative. Every alarm of a logger is raised within one interval of its log; what is raised beside is at the limit of
 * what the log can show, and over with its next value.
 *
 * A logger measures more often than it logs, so an episode that is no more than one interval longer than the rule asks for
 * need not show in the log.
 *
 * **Cumulative** is to a logger all the time beyond the limit since it was started, however long ago and in however many
 * pieces, and the alarm does not end. So the rule is `timeAbove(temperature, 8, '365d') >= '60m'`: a logger runs a year at
 * most, and nothing leaves a window that is as long as the run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Transition } from '../../src/domain/alert.ts';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import { Replay } from '../../src/replay/replay.ts';
import { median } from '../load/histogram.ts';
import { configOf } from '../notify/fixtures.ts';
import { directoryOf, metric, profileOf, rulesOf } from './scenario.ts';

const FOLDER = '../shared/data/timeseries/fridge-tag';
const DEVICE = { id: 'logger-1', profile: 'logger', labels: {} };
const SHAPE = ['temperature'];
const MINUTE_US = 60_000_000;
const RULE = /^([<>]) (-?[\d.]+) °C for (\d+) min (continuous|in total)$/u;

const alarms = z.object({
  rule: z.string(),
  /** Of a cumulative rule: once. */
  alarm: z.string().optional(),
  episodes: z.array(z.object({ alarm: z.string(), minutes: z.number() })).optional(),
});
const oracle = z.object({ device: z.string(), runs: z.array(z.object({ series: z.string(), alarms: z.record(z.string(), alarms) })) });

interface Expected {
  readonly rule: string;
  readonly at: number;
  /** How much longer than asked for it was beyond the limit; infinite for what does not end. */
  readonly spareUs: number;
}

const runs = existsSync(FOLDER)
  ? readdirSync(FOLDER)
      .filter((name) => /^oracle_.*\.json$/u.test(name))
      .flatMap((name) => oracle.parse(JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8'))).runs)
      .filter(({ series }) => existsSync(`${FOLDER}/${series}`))
  : [];

describe.skipIf(runs.length === 0)(`fridge loggers${runs.length === 0 ? ` (no series in ${FOLDER})` : ''}`, () => {
  it.each(runs)('$series raises the alarms that the logger raised, and none on days it kept silent', ({ series, alarms: ofRun }) => {
    const rows = readRows(`${FOLDER}/${series}`);
    const intervalUs = median(rows.slice(1).map(({ at }, index) => at - (rows[index]?.at ?? 0)));
    const rules = Object.entries(ofRun).map(([id, { rule }]) => ruleFor(id, rule));
    const fired = replay(`rules:\n${rules.join('\n')}\n`, rows, intervalUs);
    const expected = Object.entries(ofRun).flatMap(([id, given]) => expectedOf(id, given));
    expect(expected.length).toBeGreaterThan(0);

    const isNear = (alarm: Expected, { alert, at }: Transition) => alert.rule === alarm.rule && Math.abs(at - alarm.at) <= intervalUs;
    const missed = expected.filter((alarm) => alarm.spareUs > intervalUs && !fired.some(({ firing }) => isNear(alarm, firing)));
    expect(missed).toEqual([]);

    const invented = fired.filter(({ firing }) => !expected.some((alarm) => isNear(alarm, firing)));
    const lasting = invented.filter(({ firing, endedAt }) => endedAt - firing.at > intervalUs);
    expect(lasting.map(({ firing }) => `${firing.alert.rule} at ${timeOf(firing.at)}`)).toEqual([]);

    const days = new Set(expected.map(({ at }) => timeOf(at).slice(0, 10)));
    expect(invented.filter(({ firing }) => !days.has(timeOf(firing.at).slice(0, 10)))).toEqual([]);
  });

  it.each(runs)('$series raises each cumulative alarm once, and it does not end', ({ series, alarms: ofRun }) => {
    const rows = readRows(`${FOLDER}/${series}`);
    const intervalUs = median(rows.slice(1).map(({ at }, index) => at - (rows[index]?.at ?? 0)));
    const cumulative = Object.entries(ofRun).filter(([, { rule }]) => rule.endsWith('in total'));
    if (cumulative.length === 0) return;
    const rules = cumulative.map(([id, { rule }]) => ruleFor(id, rule)).join('\n');
    const fired = replay(`rules:\n${rules}\n`, rows, intervalUs);
    expect(fired.map(({ firing }) => firing.alert.rule).sort()).toEqual(
      cumulative.flatMap(([id, { alarm }]) => (alarm === undefined ? [] : [id])).sort(),
    );
    expect(fired.filter(({ endedAt }) => endedAt !== Number.POSITIVE_INFINITY)).toEqual([]);
  });
});

/** @param text such as `> 8.0 °C for 60 min in total` */
function ruleFor(id: string, text: string): string {
  const [, sign = '', bound = '', minutes = '', how = ''] = RULE.exec(text) ?? [];
  if (sign === '') throw new Error(`an alarm of a kind that has no rule here: ${text}`);
  const beyond = sign === '>' ? 'timeAbove' : 'timeBelow';
  const level =
    how === 'continuous'
      ? `{when: "temperature ${sign} ${bound}", for: ${minutes}m}`
      : `{when: "${beyond}(temperature, ${bound}, '365d') >= '${minutes}m'"}`;
  return `  - {id: ${id}, devices: {profile: logger}, levels: {critical: ${level}}}`;
}

function expectedOf(rule: string, given: z.infer<typeof alarms>): Expected[] {
  const minutesAsked = Number(RULE.exec(given.rule)?.[3]);
  const episodes = (given.episodes ?? []).map(({ alarm, minutes }) => ({
    rule,
    at: timeUsOf(alarm),
    spareUs: (minutes - minutesAsked) * MINUTE_US,
  }));
  return given.alarm === undefined ? episodes : [...episodes, { rule, at: timeUsOf(given.alarm), spareUs: Number.POSITIVE_INFINITY }];
}

function replay(text: string, rows: readonly Row[], intervalUs: number): { firing: Transition; endedAt: number }[] {
  const profile = profileOf({ name: 'logger', intervalMs: intervalUs / 1000, metrics: [metric('temperature')], limits: {} });
  const directory = directoryOf({ profiles: [profile] });
  const transitions: Transition[] = [];
  const run = new Replay({
    rules: rulesOf(text, directory),
    directory,
    notify: configOf('contacts: {a: {email: a@example.org}}\ndefault: {to: [a]}'),
    ruleTexts: [],
    startsAt: rows[0]?.at ?? 0,
    onTransition: (transition) => transitions.push(transition),
  });
  for (const { at, temperature } of rows) {
    run.reading({ device: DEVICE, metrics: SHAPE, values: [temperature], at, receivedAt: at, flags: FLAG_DEVICE_TIME });
  }
  run.finish();
  return transitions
    .filter(({ kind }) => kind === 'firing')
    .map((firing) => ({
      firing,
      endedAt: transitions.find(({ kind, alert }) => kind === 'resolved' && alert.id === firing.alert.id)?.at ?? Number.POSITIVE_INFINITY,
    }));
}

interface Row {
  readonly at: number;
  readonly temperature: number;
}

/** What the logger could not measure is no row. */
function readRows(path: string): Row[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.split(','))
    .filter(([, value = '']) => value !== '' && Number.isFinite(Number(value)))
    .map(([time = '', value = '']) => ({ at: timeUsOf(time), temperature: Number(value) }));
}

/** The loggers' own time, without a zone. */
const timeUsOf = (text: string): number => Date.parse(`${text.replace(' ', 'T')}Z`) * 1000;
const timeOf = (us: number): string => new Date(us / 1000).toISOString();
